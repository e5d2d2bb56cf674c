import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, expect, inject } from 'vitest';
import { createConversationStore } from '../../src/chat/conversation-store.ts';
import { createCleanup } from '../../src/cleanup.ts';
import { loadConfig } from '../../src/config.ts';
import { type Deckhand, type Role, startDeckhand } from '../../src/deckhand.ts';
import type { LogEntry, SessionEvent } from '../../src/session/event.ts';
import { eachTests } from './each-test.ts';
import { eventually } from './eventually.ts';
import { startTestModel, type TestModel } from './model.ts';
import { testDatabase } from './services.ts';
import { readableText } from './slack/block-limits.ts';
import type { Copies } from './slack/everywhere.ts';
import { install } from './slack/install-stage.ts';
import type { MessagePlace } from './slack/person.ts';
import { type SlackServer, startSlackServer } from './slack/server.ts';
import type { Envelope } from './slack/socket-mode.ts';
import type { JournalEntry } from './slack/web-api.ts';
import type { SlackMessage } from './slack/workspace.ts';

const PATIENCE_MS = 20_000;
const GATEWAYS = 3;

/** Something that somebody did, after it came to each of the three gateways at the same moment. */
export interface Deed<T> {
  /** What doing it gave. */
  readonly of: T;
  /** It comes to each of them once more, as Slack and whatever stands before a gateway repeat what seems lost to them. */
  again(): Promise<void>;
}

/** Three gateways and a worker of one house, before a Slack that delivers everything to each of the gateways at once. */
export interface ThreeGateways {
  readonly slack: SlackServer;
  readonly model: TestModel;
  readonly gateways: readonly Deckhand[];
  /** What they wrote into their logs that somebody should look at. */
  readonly warnings: Record<string, unknown>[];
  /** @throws when one of them does not acknowledge it, or answers otherwise than the others */
  thrice<T>(deed: () => T | Promise<T>): Promise<Deed<T>>;
  /** What the bot says in a thread, once these words are in it. */
  heard(thread: MessagePlace, words: string): Promise<void>;
  /** How often these words stand there, whoever may read them. */
  count(thread: MessagePlace, words: string): number;
  /** What Slack did for the app, by method. */
  calls(...methods: string[]): JournalEntry[];
  /** The logs of all sessions of this thread, one behind the other. */
  log(thread: MessagePlace): Promise<LogEntry[]>;
  /** What people said, as the sessions of this thread were given it; without what the house says of what stood there before. */
  said(thread: MessagePlace): Promise<string[]>;
  events<T extends SessionEvent['type']>(thread: MessagePlace, type: T): Promise<Extract<SessionEvent, { type: T }>[]>;
  /** Whatever was on its way before has arrived: somebody asked after it, and has an answer. */
  settled(): Promise<void>;
}

/** One set of them for all tests of the file, or of the block, in which this is called. */
export function useThreeGateways(
  mode: 'socket' | 'http',
): Pick<ThreeGateways, 'slack' | 'model'> & { three: ThreeGateways } {
  const cleanup = createCleanup();
  let three: ThreeGateways;

  beforeAll(async () => {
    three = await startThree(mode, cleanup.defer);
  });

  beforeEach(() => {
    three.model.forget();
    three.warnings.length = 0;
  });

  afterEach(async () => {
    // What a test left undone is not the next one's.
    await three.slack.outbox.idle();
  });

  afterAll(() => cleanup[Symbol.asyncDispose]());

  const slack = eachTests(() => three.slack);
  const model = eachTests(() => three.model);
  return { three: eachTests(() => three), slack, model };
}

async function startThree(
  mode: 'socket' | 'http',
  defer: (close: () => PromiseLike<unknown>) => void,
): Promise<ThreeGateways> {
  const owned = <T extends AsyncDisposable>(one: T): T => {
    defer(() => one[Symbol.asyncDispose]());
    return one;
  };
  const database = owned(await testDatabase());
  const model = owned(await startTestModel());
  const slack = owned(await startSlackServer());
  const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-three-'));
  defer(() => rm(data_dir, { recursive: true, force: true }));
  const warnings: Record<string, unknown>[] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line)) });

  const start = async (name: string, role: Role) =>
    owned(
      await startDeckhand(
        loadConfig({
          PORT: '0',
          DECKHAND_API_KEY: 'test-key-0123456789abcdef',
          DECKHAND_DATA_DIR: join(data_dir, name),
          DECKHAND_SWEEP_MS: '100',
          MONGODB_URI: inject('mongodb_uri'),
          MONGODB_DATABASE: database.name,
          REDIS_URL: inject('redis_url'),
          ANTHROPIC_API_KEY: 'test',
          ANTHROPIC_BASE_URL: model.base_url,
          SLACK_CLIENT_ID: slack.tokens.client_id,
          SLACK_CLIENT_SECRET: slack.tokens.client_secret,
          SLACK_TEAMS: '*',
          SLACK_API_URL: slack.apiUrl,
          DECKHAND_VAULT_KEY: Buffer.alloc(32, 7).toString('base64'),
          ...(mode === 'socket'
            ? { SLACK_APP_TOKEN: slack.tokens.app }
            : { SLACK_SIGNING_SECRET: slack.tokens.signing_secret }),
        }),
        logger,
        [role],
      ),
    );
  const [worker, ...gateways] = await Promise.all([
    start('worker', 'worker'),
    ...Array.from({ length: GATEWAYS }, (_, n) => start(`gateway-${n}`, 'gateway')),
  ]);
  const urls = gateways.map(({ url }) => `${url}/slack/events`);
  const { delivered, idle } = slack.deliverToEach(mode === 'socket' ? null : urls);
  const installed = await install(slack, { url: gateways[0]?.url ?? '' });
  expect(installed).toMatchObject({ status: 200 });

  const conversations = createConversationStore(database.db);
  const readable = ({ blocks, text }: SlackMessage) => (blocks.length === 0 ? text : readableText(blocks).join('\n'));
  const here = ({ channel, ts, thread_ts = ts }: MessagePlace) =>
    slack.workspace.messages.filter((one) => one.channel === channel && (one.thread_ts ?? one.ts) === thread_ts);

  /** @throws unless each of them acknowledged it, and all in the same words: any of their answers may be the one that counts */
  function checkCopies(copies: Copies[]): void {
    for (const { answers } of copies) {
      const [first] = answers;
      expect(answers).toEqual(Array.from({ length: GATEWAYS }, () => ({ ...first, acked: true })));
    }
  }

  const three: ThreeGateways = {
    slack,
    model,
    gateways,
    warnings,
    async thrice(deed) {
      const before = delivered.length;
      const of = await deed();
      await idle();
      const copies = delivered.slice(before).filter(({ envelope }) => !isOfBot(envelope));
      expect(copies).not.toEqual([]);
      checkCopies(copies);
      return {
        of,
        async again() {
          const from = delivered.length;
          await Promise.all(copies.map(({ envelope }) => slack.outbox.again(envelope)));
          checkCopies(delivered.slice(from).filter(({ envelope }) => !isOfBot(envelope)));
        },
      };
    },
    heard: (thread, words) =>
      eventually(() => {
        if (three.count(thread, words) === 0) throw new Error(`Nobody said ${words}:\n${slack.transcript(thread)}`);
      }, PATIENCE_MS),
    count: (thread, words) =>
      here(thread).filter((one) => one.bot_id !== undefined && readable(one).includes(words)).length,
    calls: (...methods) => slack.journal.filter(({ method, outcome }) => methods.includes(method) && outcome === 'ok'),
    async log({ channel, ts, thread_ts = ts }) {
      const place = { connector: 'slack', tenant: slack.workspace.team_id, channel, thread: thread_ts };
      const found = await conversations.findByKey(place);
      if (found === null) return [];
      const { workspace_id } = found;
      const sessions = Object.values(found.sessions).map(({ session_id }) => ({ workspace_id, session_id }));
      return (await Promise.all(sessions.map((ref) => worker.context.log.read(ref)))).flat();
    },
    async said(thread) {
      const entries = (await three.log(thread)).filter(({ by }) => by?.via === 'slack');
      return entries.flatMap(({ event }) => (event.type === 'user.message' ? [textOf(event.content)] : []));
    },
    async events(thread, type) {
      const entries = await three.log(thread);
      return entries.flatMap(({ event }) => (isA(event, type) ? [event] : []));
    },
    async settled() {
      model.reply({ text: 'Still here.' });
      await three.heard(slack.user('Zoe').mention('elsewhere', 'are you there?'), 'Still here.');
      await slack.outbox.idle();
    },
  };
  return three;
}

function textOf(content: Extract<SessionEvent, { type: 'user.message' }>['content']): string {
  return content.map((block) => (block.type === 'text' ? block.text : '')).join('\n');
}

/** Slack tells an app what it wrote itself, too. */
function isOfBot({ payload }: Envelope): boolean {
  const { event }: { event?: object } = typeof payload === 'object' && payload !== null ? payload : {};
  return event !== undefined && 'bot_id' in event;
}

function isA<T extends SessionEvent['type']>(
  event: SessionEvent,
  type: T,
): event is Extract<SessionEvent, { type: T }> {
  return event.type === type;
}
