import type { RequestListener } from 'node:http';
import type { Logger as BoltLogger } from '@slack/bolt';
import type { Router } from 'express';
import { type Db, MongoError } from 'mongodb';
import { type Connector, PostRefusedError, TooOftenError } from '../../src/chat/connector.ts';
import type { InboundMessage, Receipt, Receiver } from '../../src/chat/inbound.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { DeckhandError, messageOf } from '../../src/errors.ts';
import { createAllowance } from './allowance.ts';
import { showQuestion } from './ask.ts';
import { createBoltLogger, withoutSecrets } from './bolt-logger.ts';
import { createChannelNames } from './channel-names.ts';
import { createChannelTeams } from './channel-teams.ts';
import { createSlackClient } from './client.ts';
import { createCommandListeners } from './command-listeners.ts';
import { isDirect, linkTo, messageOfRef, SLACK } from './conversation-id.ts';
import { openFile } from './files-in.ts';
import { createGroups } from './groups.ts';
import { threadHistory } from './history.ts';
import { createHomeListeners } from './home-listeners.ts';
import { createHomeTabs } from './home-tabs.ts';
import { createInFlight, type InFlight } from './in-flight.ts';
import type { Installations } from './installations.ts';
import { EXTRAS_PER_MINUTE, LIMITS } from './limits.ts';
import { createLink, type LinkOptions } from './link.ts';
import { createListeners } from './listeners.ts';
import { createLiveMessages } from './live-message.ts';
import { createLookup, deliveryOf } from './lookup.ts';
import { createMentions } from './mentions.ts';
import { type Names, readableText } from './mrkdwn.ts';
import { createPeople } from './names.ts';
import { needed } from './needed.ts';
import { createOAuth, type OAuthOptions } from './oauth.ts';
import { createOneInstallation } from './one-installation.ts';
import type { Identity } from './parse.ts';
import { patiently } from './patiently.ts';
import { createPosting } from './posting.ts';
import { createAudience } from './presence.ts';
import { permalinkOf, reach } from './reach.ts';
import { react } from './reactions.ts';
import { createReaders, type StreamChannels } from './readers.ts';
import { refusalInWords } from './refusal-words.ts';
import { createStatus } from './status.ts';
import { createUploads } from './uploads.ts';
import { createWhispers } from './whisper.ts';

export interface SlackOptions extends LinkOptions {
  /** Of the one workspace that it is for; null: many install it, by `oauth`. */
  bot_token: string | null;
  oauth: OAuthOptions | null;
  /** In which channels live messages stream. */
  stream_channels: StreamChannels;
  /** For what is to be known after a restart; null: nothing is. */
  db: Db | null;
  /** Milliseconds since the epoch; a test's clock. */
  now?: () => number;
  /** Run it after `ms`, unless cancelled; a test's clock. */
  after?: (ms: number, run: () => void) => () => void;
}

export interface SlackConnector extends Connector {
  /** Answers the browsers of those who install the app, where many do; null where nobody comes. */
  readonly router: Router | null;
  /**
   * Answers `POST /slack/events` in mode `http`, and leaves every other request to `next`. It stands before anything that
   * reads request bodies: the signature is over the bytes as they came.
   */
  inFrontOf(next: RequestListener): RequestListener;
}

function installationsOf(
  { bot_token, oauth, api_url, db, logger, now = Date.now }: SlackOptions,
  boltLogger: BoltLogger,
  inFlight: InFlight,
): { installations: Installations; installRouter: Router | null } {
  const clientOf = (token: string | undefined) => createSlackClient({ token, api_url, logger: boltLogger });
  if (oauth !== null) return createOAuth(oauth, { api_url, boltLogger, logger, clientOf, now, inFlight });
  const client = clientOf(needed(bot_token, 'SLACK_BOT_TOKEN', 'one-workspace'));
  return { installations: createOneInstallation(client, db, logger), installRouter: null };
}

function later(ms: number, run: () => void): () => void {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
}

const STATUS_MS = 5_000;

/** Slack by its own SDK: Bolt in Socket Mode or over HTTP, and the Web API. @throws DeckhandError when a token is missing */
export function createSlackConnector(options: SlackOptions): SlackConnector {
  const { api_url, logger, after = later } = options;
  const boltLogger = createBoltLogger(logger);
  const inFlight = createInFlight();
  const { installations, installRouter } = installationsOf(options, boltLogger, inFlight);
  const people = createPeople(installations, logger);
  const teams = createChannelTeams(options.db);
  const groups = createGroups(installations, teams, logger);
  const uploads = createUploads(options.db);
  const findDelivery = createLookup(uploads);
  const reads = createAllowance(EXTRAS_PER_MINUTE, options.now ?? Date.now);
  const marks = createAllowance(EXTRAS_PER_MINUTE, options.now ?? Date.now);
  let standing: Receiver | null = null;

  function receiver(): Receiver {
    if (standing === null) throw new Error('The Slack connector is not started');
    return standing;
  }

  async function connected(body: unknown): Promise<{ identity: Identity; receiver: Receiver }> {
    return { receiver: receiver(), identity: await installations.identityOf(body) };
  }

  const live = createLiveMessages({
    clients: installations,
    readers: createReaders({ db: options.db, teams, channels: options.stream_channels }),
    now: options.now ?? Date.now,
    after,
    logger,
  });
  const channelNames = createChannelNames();
  const namesIn = (tenant: string): Names => ({
    user: people.of(tenant).user,
    group: (id) => groups.nameOf(id, tenant),
    channel: async (id) => channelNames.nameOf(tenant, id),
  });
  const mentions = createMentions(installations, namesIn, logger);
  const posting = createPosting({
    clients: installations,
    live,
    mentions,
    stored: (from) => receiver().file(from),
    uploads,
  });
  const status = createStatus(installations, logger, options.now ?? Date.now);
  const { whisper, tell, answer, direct } = createWhispers(installations, after);

  const link = createLink(options, boltLogger, inFlight);
  const heard = (message: InboundMessage, identity: Identity) => {
    const { conversation, sender } = message;
    const { team_id } = identity;
    channelNames.heard(conversation.tenant, message.text);
    const notKept = (err: unknown) => logger.warn({ err }, 'slack channel not kept');
    inFlight.follow(teams.heard(conversation, identity), notKept);
    // What people say to each other at a channel's top level is seldom a thread of the bot's, and there is much of it.
    if (!message.addressed && message.follows === undefined) return;
    inFlight.follow(live.heard(conversation, { user_id: sender.id, team_id }), notKept);
    mentions.heard(message);
  };
  const home = { logger, clients: installations, inFlight, connected, receiver };
  const tabs = createHomeTabs({ ...home, direct, groups, db: options.db, now: options.now ?? Date.now, after });
  const { refresh: refreshHome, changed } = tabs;
  const on = createListeners({
    bolt: link.receiver,
    boltLogger,
    logger,
    installations,
    inFlight,
    connected,
    heard,
    stopped,
    tell,
    refreshHome,
  });
  const commands = createCommandListeners(on, {
    ...home,
    refreshHome,
    groupsOf: groups.all,
    answer: ({ command: { conversation, person }, response_url }, text) =>
      answer(conversation, person, text, response_url),
  });
  createHomeListeners(on, home, { commands, refresh: refreshHome });

  /**
   * Slack leaves the session's status to the app: what turns out not to run is put at rest here, the rest by its run's end.
   * Whoever was refused leaves the Stop button to the others.
   */
  async function stopped(conversation: ConversationKey, receipt: Receipt): Promise<void> {
    status.forget(conversation);
    if (receipt.at_rest !== true) return;
    await status.set(conversation, { state: 'resting' }, AbortSignal.timeout(STATUS_MS));
  }

  /** Somebody elsewhere (on the page) knows no tenant of Slack's: it is clear only where there is one. */
  function tenantFor(tenant: string | null): string {
    const known = tenant ?? installations.only;
    if (known === null) throw new PostRefusedError('it is not clear in which Slack workspace');
    return known;
  }

  return {
    name: SLACK,
    limits: LIMITS,
    shows_activity: false,
    isDirect: ({ channel }) => isDirect(channel),
    growsFor: live.growsFor,
    router: installRouter,
    inFrontOf: link.inFrontOf,
    workspaceOf: installations.workspaceOf,

    async start(given) {
      try {
        const stores = [teams, tabs, uploads].map((store) => store.createIndexes());
        await Promise.all([patiently(installations.start), ...stores]);
        standing = given;
        inFlight.open();
        await patiently(link.start);
        tabs.start();
      } catch (error) {
        // What the database says is not about Slack.
        if (error instanceof MongoError) throw error;
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
      tabs.stop();
      const left = await inFlight.leave(patience_ms, link.stop);
      if (left > 0) logger.warn({ left }, 'slack events are left behind; what was not acknowledged is delivered again');
      live.close();
    },

    async nameOf({ id }, tenant) {
      const at = tenant ?? installations.only;
      return at === null ? id : people.of(at).user(id);
    },
    isGuest: ({ id }, tenant) => people.of(tenant).isGuest(id),
    groups: {
      nameOf: (group, tenant) => groups.nameOf(group, tenant ?? installations.only),
      includes: groups.includes,
    },
    async readable(text, tenant) {
      const identity = await installations.identityIn(tenant).catch(() => null);
      return readableText(text, identity?.bot_user_id ?? '', namesIn(tenant));
    },

    ...posting,
    find: (conversation, deliveryId, signal, since) =>
      findDelivery(installations.of(conversation.tenant), conversation, deliveryOf(deliveryId, since), signal),

    async history(conversation, range, signal) {
      const { tenant } = conversation;
      if (!reads.take(tenant)) throw new TooOftenError();
      const identity = await installations.identityIn(tenant);
      return threadHistory(
        { client: installations.of(tenant), names: namesIn(tenant), identity },
        conversation,
        range,
        signal,
      );
    },

    openFile: (conversation, file, signal) =>
      openFile({ client: installations.of(conversation.tenant), api_url, after }, file, signal),

    setStatus: status.set,

    ask: (conversation, question, signal) =>
      showQuestion({ client: installations.of(conversation.tenant), findDelivery }, conversation, question, signal),

    linkTo(conversation) {
      const url = installations.urlOf(conversation.tenant);
      return url === null ? null : linkTo(url, conversation);
    },

    inWords: refusalInWords,

    async react({ tenant, channel }, ts, on, signal) {
      if (on && !marks.take(tenant)) throw new TooOftenError();
      return react(installations.of(tenant), { channel, ts }, on, signal);
    },
    whisper,
    changed,

    async reach(target, { tenant, outside_of }, signal) {
      const at = { tenant: tenantFor(tenant), outside_of };
      return reach({ client: installations.of(at.tenant), groups }, target, at, signal);
    },
    audienceOf: (conversation) =>
      createAudience({ client: installations.of(conversation.tenant), logger }, conversation),
    permalinkOf: ({ tenant }, ref, signal) => permalinkOf(installations.of(tenant), messageOfRef(ref), signal),
  };
}
