import type { Receiver } from '../../src/chat/inbound.ts';
import type { ConversationKey, Person } from '../../src/chat/place.ts';
import type { Logger } from '../../src/logger.ts';
import type { InFlight } from './in-flight.ts';
import type { SlackClients } from './installations.ts';
import type { ClickMemory, Identity } from './parse.ts';

export interface ApprovalListenerParts {
  logger: Logger;
  clients: SlackClients;
  inFlight: InFlight;
  /** The installation that this was sent to, and who takes it. @throws NotInstalledError, or until the connector is started */
  connected: (body: unknown) => Promise<{ identity: Identity; receiver: Receiver }>;
  /** Say something to one person; `responseUrl` where Slack gave one. Never throws. */
  tell: (conversation: ConversationKey, person: Person, text: string, responseUrl?: string) => Promise<void>;
  /** Draw the Home tab of this person again, with a notice on it. */
  refreshHome: (tenant: string, userId: string, notice?: string) => Promise<void>;
}

/** Somebody's press of a button, in a message or a modal. */
export interface Pressed extends ClickMemory {
  event_id: string;
  user: string;
}

/** What a press asks for, and how its person is told what became of it. */
export interface Choice {
  decision: 'allow' | 'deny';
  reason?: string | null;
  for_session?: boolean;
  /** Where it was pressed, unless this says otherwise. */
  said?: (text: string | null) => Promise<void>;
  /** As `said`, where it is not known what became of it: another gateway that was given the press may know. */
  notKnown?: (text: string) => Promise<void>;
}
