import { App, type AuthorizeResult, type Logger as BoltLogger, type Receiver as BoltReceiver } from '@slack/bolt';
import type { InboundMessage, Kept, Receipt, Receiver } from '../../src/chat/inbound.ts';
import type { ConversationKey, Person } from '../../src/chat/place.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { listenForApprovals } from './approval-listeners.ts';
import { withoutSecrets } from './bolt-logger.ts';
import { Dispatch } from './dispatch.ts';
import { FEEDBACK_ACTION, parseFeedback } from './feedback.ts';
import { type InFlight, StoppingError } from './in-flight.ts';
import { type Installations, NotInstalledError } from './installations.ts';
import { type Identity, parseMessage, parseStop } from './parse.ts';
import { parseChange } from './parse-change.ts';

export interface ListenerParts {
  bolt: BoltReceiver;
  boltLogger: BoltLogger;
  logger: Logger;
  installations: Installations;
  inFlight: InFlight;
  /** The installation that this was sent to, and who takes it. @throws NotInstalledError, or until the connector is started */
  connected: (body: unknown) => Promise<{ identity: Identity; receiver: Receiver }>;
  heard: (message: InboundMessage, identity: Identity) => void;
  /** Somebody pressed Stop, and this came of it. */
  stopped: (conversation: ConversationKey, receipt: Receipt) => Promise<void>;
  /** Say something to one person; `responseUrl` where Slack gave one. Never throws. */
  tell: (conversation: ConversationKey, person: Person, text: string, responseUrl?: string) => Promise<void>;
  /** Draw the Home tab of this person again, with a notice on it. */
  refreshHome: (tenant: string, userId: string, notice?: string) => Promise<void>;
}

/**
 * Everything Slack sends, handed to the receiver. Bolt is told of success as soon as the receiver has kept it, and of
 * nothing before: a listener that throws leaves its event without an acknowledgement (or answers 500), and Slack sends it
 * again. Until then Slack is asked for nothing; only what a click opens is opened first, because that is what it does.
 * @returns where the rest of the connector listens
 */
export function createListeners(parts: ListenerParts): Dispatch {
  const { bolt, boltLogger, logger, inFlight, connected, tell } = parts;

  const app = new App({
    receiver: bolt,
    logger: boltLogger,
    // No token: what is answered goes by the installation's own client, never by Bolt's.
    authorize: async (_source, body): Promise<AuthorizeResult> => {
      const { identity } = await connected(body);
      return {
        botUserId: identity.bot_user_id,
        teamId: identity.team_id,
        ...(identity.bot_id !== undefined && { botId: identity.bot_id }),
      };
    },
    // parseMessage leaves out every bot's messages, this one's included.
    ignoreSelf: false,
    convoStore: false,
  });

  app.error(async (error) => {
    const reason = withoutSecrets(messageOf(error));
    if (error.original instanceof NotInstalledError) {
      // It is acknowledged: nobody could answer it, however often it came.
      logger.info({ reason }, 'slack sent something for where the app is not installed; it is left out');
      return;
    }
    if (error.original instanceof StoppingError) logger.info({ reason }, 'slack event left for another process');
    else logger.error({ reason }, 'slack event failed');
    throw error;
  });

  const on = new Dispatch();
  app.use((args) => inFlight.run(() => on.handle(args)));

  /** After the acknowledgement, so that nobody waits for it; followed, so that a stop does. */
  function feedback({ receipt }: Kept, conversation: ConversationKey, person: Person, responseUrl?: string): void {
    const told = receipt.then(({ text }) =>
      text === null ? undefined : tell(conversation, person, text, responseUrl),
    );
    inFlight.follow(told, (error) => {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack feedback failed');
    });
  }

  async function onMessage(body: unknown): Promise<void> {
    const { identity, receiver } = await connected(body);
    const message = parseMessage(body, identity);
    if (message === null) return onChange(body, identity, receiver);
    parts.heard(message, identity);
    feedback(await receiver.message(message), message.conversation, message.sender);
  }

  async function onChange(body: unknown, identity: Identity, receiver: Receiver): Promise<void> {
    const change = parseChange(body, identity);
    if (change === null) return;
    if (change.message !== undefined) parts.heard(change.message, identity);
    feedback(await receiver.change(change), change.conversation, change.sender);
  }

  on.event('message', ({ body }) => onMessage(body));
  on.event('app_mention', ({ body }) => onMessage(body));

  on.event('agent_session_stopped', async ({ body }) => {
    const { identity, receiver } = await connected(body);
    const stop = parseStop(body, identity);
    if (stop === null) return;
    const kept = await receiver.stop(stop);
    feedback(kept, stop.conversation, stop.person);
    inFlight.follow(
      kept.receipt.then((receipt) => parts.stopped(stop.conversation, receipt)),
      (error) => logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack status failed after a stop'),
    );
  });

  for (const event of ['app_uninstalled', 'tokens_revoked'] as const) {
    on.event(event, ({ body }) => parts.installations.ended(body));
  }

  on.action(FEEDBACK_ACTION, async ({ body, ack }) => {
    const { identity, receiver } = await connected(body);
    const given = parseFeedback(body, identity);
    if (given !== null) {
      const { conversation, person } = given.feedback;
      feedback(await receiver.feedback(given.feedback), conversation, person, given.response_url);
    }
    await ack();
  });

  listenForApprovals(on, { ...parts, clients: parts.installations });

  return on;
}
