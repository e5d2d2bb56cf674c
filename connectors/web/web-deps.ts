import type { Receiver } from '../../src/chat/inbound.ts';
import type { Logger } from '../../src/logger.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { Bell } from './hints.ts';
import type { MessageStore } from './message-store.ts';
import type { SignIns } from './sign-in.ts';
import type { AgentChoice, Example } from './wire.ts';

/** What the routes of the web connector work with. */
export interface WebDeps {
  conversations: ConversationStore;
  messages: MessageStore;
  signIns: SignIns;
  bell: Bell;
  logger: Logger;
  agents(): Promise<AgentChoice[]>;
  verifyKey(key: string): Promise<boolean>;
  key_required: boolean;
  stand_in: boolean;
  examples: Example[];
  /** @throws Refusal (503) before `start` and after `stop`. */
  receiver(): Receiver;
  /** From the beginning of `stop` on requests that are under way may end, and no other begins. */
  isLeaving(): boolean;
}
