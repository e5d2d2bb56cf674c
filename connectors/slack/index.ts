import { type Receiver as BoltReceiver, ExpressReceiver } from '@slack/bolt';
import type { Connector } from '../../src/chat/connector.ts';
import type { InboundMessage, Receipt, Receiver } from '../../src/chat/inbound.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { DeckhandError, messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { showQuestion } from './ask.ts';
import { createBoltLogger, withoutSecrets } from './bolt-logger.ts';
import { createSlackClient } from './client.ts';
import { createCommandListeners } from './command-listeners.ts';
import { linkTo, messageOfRef, SLACK } from './conversation-id.ts';
import { guarded } from './envelope.ts';
import { createGroups } from './groups.ts';
import { threadHistory } from './history.ts';
import { createHome, createHomeListeners } from './home-listeners.ts';
import { createInFlight } from './in-flight.ts';
import { createListeners } from './listeners.ts';
import { createLiveMessages } from './live-message.ts';
import { findDelivery } from './lookup.ts';
import { createMentions } from './mentions.ts';
import { readableText } from './mrkdwn.ts';
import { createPeople } from './names.ts';
import type { Identity } from './parse.ts';
import { PLAN_SIZE } from './plan-blocks.ts';
import { createPosting } from './posting.ts';
import { permalinkOf, reach } from './reach.ts';
import { TEXT_LIMIT } from './render.ts';
import { createSocketLink, type SocketLink } from './socket-link.ts';
import { createStatus } from './status.ts';
import { createWhispers } from './whisper.ts';

export interface SlackOptions {
  bot_token: string;
  /** Needed by `socket`. */
  app_token: string | null;
  /** Needed by `http`. */
  signing_secret: string | null;
  /** Another Slack than slack.com. */
  api_url: string | null;
  mode: 'socket' | 'http';
  logger: Logger;
  /** Milliseconds since the epoch; a test's clock. */
  now?: () => number;
  /** Run it after `ms`, unless cancelled; a test's clock. */
  after?: (ms: number, run: () => void) => () => void;
}

export interface SlackConnector extends Connector {
  /**
   * Answers `POST /slack/events` in mode `http`, else null. Mount it before anything that reads request bodies: the
   * signature is over the bytes as they came.
   */
  readonly router: ExpressReceiver['router'] | null;
}

/** chat.update is limited to 50 a minute and more (Tier 3), appendStream to 100 (Tier 4). */
const EDIT_INTERVAL_MS = 1_200;
/** chat.postMessage takes about one message a second in one channel, and short bursts (docs.slack.dev/apis/web-api/rate-limits). */
const POST_INTERVAL_MS = 1_000;
/** 55,000 characters: more than anybody reads in a thread. */
const POSTS_BEFORE_FILE = 5;
const START_MS = 15_000;
const STATUS_MS = 5_000;

function needed(value: string | null, variable: string, mode: string): string {
  if (value !== null) return value;
  throw new DeckhandError('slack_configuration', `Slack in ${mode} mode needs ${variable}.`, {
    remedy: `Set ${variable}; docs/slack.md says where to find it.`,
  });
}

function later(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
}

function behindGate(http: ExpressReceiver, logger: Logger): BoltReceiver {
  return {
    init: (app) => http.init(guarded(app, logger)),
    start: async () => undefined,
    stop: async () => undefined,
  };
}

/** Slack by its own SDK: Bolt in Socket Mode or over HTTP, and the Web API. @throws DeckhandError when a token is missing */
export function createSlackConnector(options: SlackOptions): SlackConnector {
  const { bot_token, api_url, logger, mode } = options;
  const boltLogger = createBoltLogger(logger);
  const client = createSlackClient({ token: bot_token, api_url, logger: boltLogger });
  const people = createPeople(client, () => connected().identity, logger);
  const groups = createGroups(client, logger);
  const inFlight = createInFlight();
  let standing: { identity: Identity; receiver: Receiver } | null = null;

  function connected(): { identity: Identity; receiver: Receiver } {
    if (standing === null) throw new Error('The Slack connector is not started');
    return standing;
  }

  const live = createLiveMessages({
    client,
    teamId: () => connected().identity.team_id,
    now: options.now ?? Date.now,
    after: options.after ?? later,
    logger,
  });
  const mentions = createMentions(client, people, logger);
  const posting = createPosting({ client, live, mentions });
  const status = createStatus(client, logger);
  const { whisper, tell, answer } = createWhispers(client);

  const link: SocketLink | null =
    mode === 'socket'
      ? createSocketLink({
          app_token: needed(options.app_token, 'SLACK_APP_TOKEN', mode),
          api_url,
          boltLogger,
          logger,
          inFlight,
        })
      : null;
  const http =
    mode === 'http'
      ? new ExpressReceiver({
          signingSecret: needed(options.signing_secret, 'SLACK_SIGNING_SECRET', mode),
          logger: boltLogger,
          endpoints: '/slack/events',
          // The 200 waits for the listeners, so that it means "kept".
          processBeforeResponse: true,
          // Slack stops waiting after three seconds and sends it again. Bolt would answer 404 then, also to what is
          // still being kept.
          unhandledRequestTimeoutMillis: 30_000,
        })
      : null;
  const bolt = link ?? (http && behindGate(http, logger));
  if (bolt === null) throw new DeckhandError('slack_configuration', `Slack knows no mode ${mode}.`);
  const heard = (message: InboundMessage) => {
    live.heard(message.conversation.channel, message.sender.id);
    mentions.heard(message);
  };
  const app = createListeners({
    bolt,
    boltLogger,
    logger,
    client,
    inFlight,
    bot_token,
    connected,
    heard,
    stopped,
    tell,
  });
  const home = { logger, client, inFlight, connected };
  const refreshHome = createHome(home);
  const commands = createCommandListeners(app, {
    ...home,
    refreshHome,
    answer: ({ command: { conversation, person }, response_url }, text) =>
      answer(conversation, person, text, response_url),
  });
  createHomeListeners(app, home, { commands, refresh: refreshHome });

  /** Slack leaves the session's status to the app: what turns out not to run is put at rest here, the rest by its run's end. */
  async function stopped(conversation: ConversationKey, receipt: Receipt): Promise<void> {
    status.forget(conversation);
    if (receipt.effect !== 'refused') return;
    await status.set(conversation, { state: 'resting' }, AbortSignal.timeout(STATUS_MS));
  }

  async function whoAmI(): Promise<Identity> {
    const me = await client.call((web) => web.auth.test(), AbortSignal.timeout(START_MS));
    if (!me.team_id || !me.user_id) throw new Error('auth.test returned no team or user');
    const tenant = me.is_enterprise_install && me.enterprise_id ? me.enterprise_id : me.team_id;
    return {
      tenant,
      team_id: me.team_id,
      enterprise_id: me.enterprise_id,
      url: me.url ?? 'https://slack.com/',
      bot_user_id: me.user_id,
      bot_id: me.bot_id,
    };
  }

  return {
    name: SLACK,
    limits: {
      text: TEXT_LIMIT,
      edit_interval_ms: EDIT_INTERVAL_MS,
      post_interval_ms: POST_INTERVAL_MS,
      posts_before_file: POSTS_BEFORE_FILE,
      plan_size: PLAN_SIZE,
    },
    shows_activity: false,
    router: http?.router ?? null,

    async start(receiver) {
      try {
        standing = { identity: await whoAmI(), receiver };
        inFlight.open();
        await link?.start();
      } catch (error) {
        throw new DeckhandError(
          'slack_unreachable',
          `Slack did not accept the connection: ${withoutSecrets(messageOf(error))}`,
          {
            cause: error,
            remedy: 'Check the tokens (docs/slack.md) and that slack.com is reachable.',
          },
        );
      }
    },

    async stop(patience_ms) {
      const left = await inFlight.drain(patience_ms);
      if (left > 0) logger.warn({ left }, 'slack events are left behind; what was not acknowledged is delivered again');
      live.close();
      await link?.stop();
    },

    nameOf: (person) => people.user(person.id),
    isGuest: (person) => people.isGuest(person.id),
    groups,
    readable: (text) => readableText(text, connected().identity.bot_user_id, people),

    ...posting,
    find: (conversation, deliveryId, signal) => findDelivery(client, conversation, deliveryId, signal),

    history: (conversation, range, signal) =>
      threadHistory({ client, people, identity: connected().identity }, conversation, range, signal),

    setStatus: status.set,

    ask: (conversation, delivery_id, markdown, signal) =>
      showQuestion(client, conversation, { delivery_id, markdown }, signal),

    linkTo: (conversation) => linkTo(connected().identity.url, conversation),

    whisper,

    reach: (target, tenant, signal) => reach(client, target, tenant ?? connected().identity.tenant, signal),
    permalinkOf: (_conversation, ref, signal) => permalinkOf(client, messageOfRef(ref), signal),
  };
}
