import { App, type AuthorizeResult, type Logger as BoltLogger, type Receiver as BoltReceiver } from '@slack/bolt';
import type { ConversationKey, Kept, Person, Receipt, Receiver } from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { APPROVE_ACTION, APPROVE_SESSION_ACTION, DENY_ACTION } from './approval-blocks.ts';
import { withoutSecrets } from './bolt-logger.ts';
import type { SlackClient } from './client.ts';
import { SLACK } from './conversation-id.ts';
import { DENY_VIEW, denyModal, REASON_BLOCK } from './deny-modal.ts';
import { type InFlight, StoppingError } from './in-flight.ts';
import {
  type Click,
  decisionOf,
  type Identity,
  parseClick,
  parseMessage,
  parseStop,
  parseSubmission,
} from './parse.ts';

/** Within the three seconds a trigger id lives. */
const MODAL_MS = 2_500;
const NOT_RECORDED = 'Your decision could not be recorded just now. Please press the button again.';

export interface ListenerParts {
  bolt: BoltReceiver;
  boltLogger: BoltLogger;
  logger: Logger;
  client: SlackClient;
  inFlight: InFlight;
  bot_token: string;
  /** Throws until the connector is started. */
  connected: () => { identity: Identity; receiver: Receiver };
  heard: (channel: string, userId: string) => void;
  /** Somebody pressed Stop, and this came of it. */
  stopped: (conversation: ConversationKey, receipt: Receipt) => Promise<void>;
  /** Say something to one person; `responseUrl` where Slack gave one. Never throws. */
  tell: (conversation: ConversationKey, person: Person, text: string, responseUrl?: string) => Promise<void>;
}

/**
 * Everything Slack sends, handed to the receiver. Bolt is told of success as soon as the receiver has kept it, and of
 * nothing before: a listener that throws leaves its event without an acknowledgement (or answers 500), and Slack sends it
 * again. Until then Slack is asked for nothing; only the modal of a denial is opened first, because it is what that click does.
 */
export function createListeners(parts: ListenerParts): App {
  const { bolt, boltLogger, logger, client, inFlight, connected, tell } = parts;

  const app = new App({
    receiver: bolt,
    logger: boltLogger,
    authorize: async (): Promise<AuthorizeResult> => {
      const { identity } = connected();
      return {
        botToken: parts.bot_token,
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
    if (error instanceof StoppingError) logger.info({ reason }, 'slack event left for another process');
    else logger.error({ reason }, 'slack event failed');
    throw error;
  });

  app.use(({ next }) => inFlight.run(next));

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
    const { identity, receiver } = connected();
    const message = parseMessage(body, identity);
    if (message === null) return;
    parts.heard(message.conversation.channel, message.sender.id);
    feedback(await receiver.message(message), message.conversation, message.sender);
  }

  app.event('message', ({ body }) => onMessage(body));
  app.event('app_mention', ({ body }) => onMessage(body));

  app.event('agent_session_stopped', async ({ body }) => {
    const { identity, receiver } = connected();
    const stop = parseStop(body, identity);
    if (stop === null) return;
    const kept = await receiver.stop(stop);
    feedback(kept, stop.conversation, stop.person);
    inFlight.follow(
      kept.receipt.then((receipt) => parts.stopped(stop.conversation, receipt)),
      (error) => logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack status failed after a stop'),
    );
  });

  /** Resolves when it is kept. @throws what the receiver threw, after telling the person */
  async function decide(
    from: Omit<Click, 'trigger_id'>,
    decision: 'allow' | 'deny',
    reason: string | null,
    for_session = false,
  ): Promise<void> {
    const { identity, receiver } = connected();
    const asked = decisionOf(from, decision, reason, identity);
    const inbound = for_session ? { ...asked, for_session } : asked;
    try {
      feedback(await receiver.decision(inbound), inbound.conversation, inbound.person, from.response_url);
    } catch (error) {
      const receipt = Promise.resolve({ effect: 'refused' as const, text: NOT_RECORDED });
      feedback({ receipt }, inbound.conversation, inbound.person, from.response_url);
      throw error;
    }
  }

  app.action(APPROVE_ACTION, async ({ body, ack }) => {
    const click = parseClick(body);
    if (click !== null) await decide(click, 'allow', null);
    await ack();
  });

  app.action(APPROVE_SESSION_ACTION, async ({ body, ack }) => {
    const click = parseClick(body);
    if (click !== null) await decide(click, 'allow', null, true);
    await ack();
  });

  app.action(DENY_ACTION, async ({ body, ack }) => {
    const click = parseClick(body);
    const opened = click === null || (await askWhy(click));
    if (!opened) await decide(click, 'deny', null);
    await ack();
  });

  /** False when no modal can be shown: the denial then goes without a reason, rather than not at all. */
  async function askWhy(click: Click): Promise<boolean> {
    const { channel, thread, approval_id, response_url } = click;
    const memory = { channel, thread, approval_id, ...(response_url !== undefined && { response_url }) };
    try {
      const view = denyModal(memory);
      await client.call((web) => web.views.open({ trigger_id: click.trigger_id, view }), AbortSignal.timeout(MODAL_MS));
      return true;
    } catch (error) {
      logger.warn({ reason: withoutSecrets(messageOf(error)) }, 'slack opened no modal, denying without a reason');
      return false;
    }
  }

  app.view(DENY_VIEW, async ({ body, ack }) => {
    const submission = parseSubmission(body);
    if (submission === null) {
      await ack();
      return;
    }
    try {
      await decide({ ...submission, response_url: submission.response_url }, 'deny', submission.reason);
      await ack();
    } catch (error) {
      // The modal stays open with what was typed; pressing Deny again is another attempt at the same decision.
      logger.error({ reason: withoutSecrets(messageOf(error)), connector: SLACK }, 'slack denial not recorded');
      await ack({ response_action: 'errors', errors: { [REASON_BLOCK]: NOT_RECORDED } });
    }
  });

  return app;
}
