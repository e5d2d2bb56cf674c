import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { PostRefusedError } from '../../../src/chat/connector.ts';
import type { Outgoing } from '../../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../../src/chat/place.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createRedisHints } from '../../../src/session/redis-hints.ts';
import { eventually } from '../../support/eventually.ts';
import { brokenHints, createMemoryHints } from '../../support/memory-hints.ts';
import { createRecordingReceiver } from '../../support/recording-receiver.ts';
import { type TestDatabase, testDatabase, testRedis } from '../../support/services.ts';
import { STOP_MS } from '../../support/stop.ts';
import { createWebClient, type Heard, type WebClient } from '../../support/web-client.ts';
import { startWebServer, type WebServer } from '../../support/web-server.ts';

const hints = createMemoryHints();
const signal = new AbortController().signal;
let database: TestDatabase;
let server: WebServer;
let ana: WebClient;
let key: ConversationKey;

beforeEach(async () => {
  database = await testDatabase();
  server = await startWebServer(database.db, createRecordingReceiver(), { hints });
  ana = await clientFor('Ana');
  key = { connector: 'web', tenant: 'local', channel: 'web', thread: (await ana.begin()).id };
});

afterEach(async () => {
  vi.useRealTimers();
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function clientFor(name: string): Promise<WebClient> {
  const client = createWebClient(server.url);
  await client.signIn(name);
  return client;
}

const redis = testRedis();

/** One gateway's own connections to the Redis that all share. */
function openRedisHints() {
  const publisher = new Redis(redis.url);
  const subscriber = new Redis(redis.url);
  return createRedisHints({ publisher, subscriber, logger: silentLogger }, redis.prefix);
}

function text(id: string, markdown: string, live = false): Outgoing {
  return { kind: 'text', delivery_id: id, markdown, live, agent_name: 'Deckhand' };
}

function post(id: string, markdown: string, live = false): Promise<string> {
  return server.connector.post(key, text(id, markdown, live), signal);
}

function messagesIn(heard: readonly Heard[]) {
  return heard.flatMap((each) => (each.event === 'message' ? [each] : []));
}

/** What a page shows after these events: each message by its newest text, deltas applied where they fit. */
function shownAfter(heard: readonly Heard[]): string[] {
  const shown = new Map<string, string>();
  for (const { event, data } of heard) {
    if (event === 'message' && data.body.kind === 'text') shown.set(data.id, data.body.markdown);
    const known = event === 'delta' ? shown.get(data.message_id) : undefined;
    if (event === 'delta' && known?.length === data.from) shown.set(data.message_id, known + data.text);
  }
  return [...shown.values()];
}

describe('what cannot be posted', () => {
  it.each([{ thread: `conv_${'0'.repeat(32)}` }, { thread: 'C012345' }, { connector: 'slack' }])(
    'is refused for good: a place like %j',
    async (other) => {
      const nowhere = { ...key, ...other };
      await expect(server.connector.post(nowhere, text('dlv_1', 'hello'), signal)).rejects.toThrow(PostRefusedError);
    },
  );

  it.each([true, false])('is refused for good: an edit of a message that is not there, live %j', async (isLive) => {
    const edit = server.connector.edit(key, 'msg_none', text('dlv_1', 'hello', isLive), signal);
    await expect(edit).rejects.toThrow(PostRefusedError);
    await post('dlv_2', 'still works');
    expect((await ana.open(key.thread)).messages).toHaveLength(1);
  });

  it('is not posted when the caller has given up', async () => {
    await expect(server.connector.post(key, text('dlv_1', 'hello'), AbortSignal.abort())).rejects.toThrow();
    expect(await server.connector.find(key, 'dlv_1', signal)).toBeNull();
  });
});

describe('the event stream', () => {
  it('begins after what the page already has, then tells what is new', async () => {
    await post('dlv_1', 'known');
    const { cursor } = await ana.open(key.thread);
    await using events = await ana.events(key.thread, cursor);
    await events.next('ready');
    await post('dlv_2', 'news');
    const message = await events.next('message');
    expect(message.body).toMatchObject({ markdown: 'news' });
    expect(messagesIn(events.heard)).toHaveLength(1);
  });

  it('loses nothing and repeats nothing for a reader that keeps losing its connection while four writers post', async () => {
    const writers = [0, 1, 2, 3].map(async (writer) => {
      for (let n = 0; n < 20; n += 1) await post(`dlv_${writer}_${n}`, `${writer}/${n}`);
    });
    const seen: { id: string; revision: number }[] = [];
    while (seen.length < 80) {
      const resume = { 'last-event-id': String(seen.at(-1)?.revision ?? 0) };
      await using events = await ana.events(key.thread, 0, resume);
      await events.next('message');
      // Leave in the middle of whatever is being said.
      seen.push(...messagesIn(events.heard).map(({ data }) => ({ id: data.id, revision: data.revision })));
    }
    await Promise.all(writers);
    expect(seen.map((each) => each.revision)).toEqual(Array.from({ length: 80 }, (_, index) => index + 1));
    expect(new Set(seen.map((each) => each.id)).size).toBe(80);
  });

  it('shows an edit as the same message at a later revision, and an equal edit not at all', async () => {
    const ref = await post('dlv_1', 'before');
    await using events = await ana.events(key.thread, 0);
    await events.next('ready');
    await server.connector.edit(key, ref, text('dlv_1', 'before'), signal);
    await server.connector.edit(key, ref, text('dlv_1', 'after'), signal);
    const edited = await events.next('message', ({ body }) => body.kind === 'text' && body.markdown === 'after');
    expect(edited).toMatchObject({ id: ref, seq: 1, revision: 2 });
    expect(messagesIn(events.heard)).toHaveLength(2);
  });

  it('posts one message for a delivery, whoever races', async () => {
    const refs = await Promise.all([1, 2, 3, 4, 5].map(() => post('dlv_same', 'only once')));
    expect(new Set(refs).size).toBe(1);
    expect((await ana.open(key.thread)).messages).toHaveLength(1);
  });

  it('grows a live text by what is new, and a reload at any moment continues it', async () => {
    const words = Array.from({ length: 200 }, (_, index) => `word${index} 🛠 `);
    const ref = await post('dlv_live', 'Begin ', true);
    await using early = await ana.events(key.thread, 0);
    await early.next('ready');
    let shown = 'Begin ';
    for (const [index, word] of words.entries()) {
      shown += word;
      await server.connector.edit(key, ref, text('dlv_live', shown, true), signal);
      if (index === 99) {
        const { messages } = await ana.open(key.thread);
        const [found] = messages;
        if (found?.body.kind !== 'text') throw new Error('The live text is there');
        expect(shown.startsWith(found.body.markdown)).toBe(true);
      }
    }
    await eventually(() => expect(shownAfter(early.heard)).toEqual([shown]));
    expect(early.heard.filter((each) => each.event === 'delta').length).toBeGreaterThan(0);
    expect(messagesIn(early.heard).length).toBeLessThan(words.length);
    // The database catches up by itself though no further edit comes.
    await eventually(async () => {
      expect((await ana.open(key.thread)).messages[0]?.body).toMatchObject({ markdown: shown, live: true });
    });
    await server.connector.edit(key, ref, text('dlv_live', `${shown}end.`), signal);
    await eventually(() => expect(shownAfter(early.heard)).toEqual([`${shown}end.`]));
    expect((await ana.open(key.thread)).messages[0]?.body).toMatchObject({ markdown: `${shown}end.`, live: false });
  });

  it('never shows a live state after the final one', async () => {
    const ref = await post('dlv_live', 'a', true);
    const edits = [];
    for (const part of ['ab', 'abc', 'abcd'])
      edits.push(server.connector.edit(key, ref, text('dlv_live', part, true), signal));
    await Promise.all(edits);
    await server.connector.edit(key, ref, text('dlv_live', 'final'), signal);
    await server.connector.stop(STOP_MS);
    const stored = await database.db.collection('web_messages').findOne({ delivery_id: 'dlv_live' });
    expect(stored?.['body']).toEqual({ kind: 'text', markdown: 'final', live: false });
  });

  it('reaches the pages of another gateway', async () => {
    await using here = openRedisHints();
    await using there = openRedisHints();
    await using one = await startWebServer(database.db, createRecordingReceiver(), { hints: here });
    await using other = await startWebServer(database.db, createRecordingReceiver(), { hints: there });
    const client = createWebClient(other.url);
    await client.signIn('Ben');
    await using events = await client.events(key.thread, 0);
    await events.next('ready');
    const ref = await one.connector.post(key, text('dlv_1', 'from the', true), signal);
    await events.next('message');
    for (const markdown of ['from the first', 'from the first gateway']) {
      await one.connector.edit(key, ref, text('dlv_1', markdown, true), signal);
    }
    await eventually(() => expect(shownAfter(events.heard)).toEqual(['from the first gateway']));
  });

  it('goes on without hints: what is stored comes at once, what is new within a heartbeat', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    await using deaf = await startWebServer(database.db, createRecordingReceiver(), { hints: brokenHints });
    const client = createWebClient(deaf.url);
    await client.signIn('Ana');
    await post('dlv_0', 'stored');
    await using events = await client.events(key.thread, 0);
    await events.next('message', ({ body }) => body.kind === 'text' && body.markdown === 'stored');
    await events.next('ready');
    await deaf.connector.post(key, text('dlv_1', 'unannounced'), signal);
    expect(messagesIn(events.heard)).toHaveLength(1);
    vi.advanceTimersByTime(10_000);
    await events.next('message', ({ body }) => body.kind === 'text' && body.markdown === 'unannounced');
    await events.next('ping');
  });

  it('ends when the person signs out', async () => {
    vi.useFakeTimers({ toFake: ['setInterval'] });
    await using events = await ana.events(key.thread, 0);
    await events.next('ready');
    await ana.request('DELETE', '/web/session');
    vi.advanceTimersByTime(10_000);
    await events.next('signed_out');
    await eventually(() => expect(events.isClosed).toBe(true));
  });

  it('tells one person what is whispered, and nobody else', async () => {
    const ben = await clientFor('Ben');
    await using forAna = await ana.events(key.thread, 0);
    await using forBen = await ben.events(key.thread, 0);
    await Promise.all([forAna.next('ready'), forBen.next('ready')]);
    await server.connector.whisper(key, { id: 'ana', name: 'Ana' }, 'psst', signal);
    await post('dlv_after', 'for all');
    await Promise.all([
      forAna.next('message', ({ body }) => body.kind === 'text'),
      forBen.next('message', ({ body }) => body.kind === 'text'),
    ]);
    expect(messagesIn(forAna.heard).map(({ data }) => data.body.kind)).toEqual(['whisper', 'text']);
    expect(messagesIn(forBen.heard).map(({ data }) => data.body.kind)).toEqual(['text']);
    expect((await ben.open(key.thread)).messages).toHaveLength(1);
    const found = await ben.call<{ data: object[] }>('GET', '/web/conversations?search=psst');
    expect(found.data).toEqual([]);
  });

  it('keeps the list up to date: status, approvals that wait, new conversations', async () => {
    await using events = await ana.events(key.thread, 0);
    await events.next('ready');
    await server.connector.setStatus(key, { state: 'working', text: 'Reading the log…' }, signal);
    await events.next('conversation', ({ status }) => status === 'Reading the log…');
    const card = {
      approval_id: 'appr_1',
      tool_name: 'bash',
      summary: 'Restart',
      detail: 'reboot',
      requested_by: null,
      approvers: 'anyone',
      expires_at: null,
      state: { status: 'pending', reminded: 0 },
    } as const;
    const approval = { kind: 'approval', delivery_id: 'dlv_card', agent_name: 'Deckhand' } as const;
    const ref = await server.connector.post(key, { ...approval, card }, signal);
    await events.next('conversation', ({ waiting }) => waiting === 1);
    const expired = { ...card, state: { status: 'expired', at: new Date().toISOString() } } as const;
    await server.connector.edit(key, ref, { ...approval, card: expired }, signal);
    await eventually(() => {
      const last = events.heard.findLast((each) => each.event === 'conversation');
      expect(last?.data).toMatchObject({ waiting: 0 });
    });
    await server.connector.setStatus(key, { state: 'resting' }, signal);
    const { id } = await ana.begin();
    await events.next('conversation', (summary) => summary.id === id);
    expect((await ana.open(key.thread)).conversation.status).toBeNull();
  });
});
