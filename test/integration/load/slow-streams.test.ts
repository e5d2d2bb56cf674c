import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import express, { type Response } from 'express';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { streamEvents } from '../../../src/api/event-stream.ts';
import { createUnread, UNREAD, type Unread } from '../../../src/api/unread.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createSessionFeeds, type SessionFeeds } from '../../../src/session/feed.ts';
import { appendedHint, sessionChannel } from '../../../src/session/hints.ts';
import { newId } from '../../../src/session/id.ts';
import type { SessionLog, SessionRef } from '../../../src/session/log.ts';
import { emptyLog, type LoggedDocument } from '../../../src/session/log-document.ts';
import { createLogIndexes, createMongoLog } from '../../../src/session/mongo-log.ts';
import { agentMessage } from '../../support/entries.ts';
import { eventually } from '../../support/eventually.ts';
import { createMemoryHints } from '../../support/memory-hints.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MEBIBYTE = 1_048_576;
/** Megabytes take their time on a busy machine. */
const PATIENCE_MS = 50_000;
const NUMBER = /"text":"(\d+):/;

let database: TestDatabase;
let server: Server;
let log: SessionLog;
let feeds: SessionFeeds;
let ref: SessionRef;
/** The server's side of each stream, in the order in which they were opened. */
let responses: Response[];
let sockets: Socket[];
let unread: Unread;

beforeEach(async () => {
  database = await testDatabase();
  await createLogIndexes(database.db);
  const hints = createMemoryHints();
  log = createMongoLog(database.db, {
    appended: (session, entries) => void hints.publish(sessionChannel(session.session_id), appendedHint(entries)),
  });
  ref = { workspace_id: 'wrkspc_test', session_id: newId('sesn') };
  await database.db
    .collection<LoggedDocument>('sessions')
    .insertOne({ _id: ref.session_id, workspace_id: ref.workspace_id, log: emptyLog() });
  feeds = createSessionFeeds({ log, hints, logger: silentLogger }, 50);
  responses = [];
  sockets = [];
  unread = createUnread(UNREAD);
  const app = express().get('/', async (_request, response) => {
    responses.push(response);
    await streamEvents({ log, feeds, unread, logger: silentLogger }, ref, ['agent.message'], response);
  });
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  vi.useRealTimers();
  for (const socket of sockets) socket.destroy();
  await feeds[Symbol.asyncDispose]();
  server.closeAllConnections();
  server.close();
  await database[Symbol.asyncDispose]();
});

interface Watcher {
  /** The numbers that the messages it was sent begin with. */
  numbers: number[];
  bytes: number;
  resume(): void;
}

/** A client of the stream that reads, or does not read before `resume`. */
async function watch(reads: boolean): Promise<Watcher> {
  const before = responses.length;
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  sockets.push(socket);
  const watcher: Watcher = { numbers: [], bytes: 0, resume: () => void socket.resume() };
  let rest = '';
  socket.setEncoding('latin1').on('data', (part: string) => {
    watcher.bytes += part.length;
    rest += part;
    for (let found = NUMBER.exec(rest); found !== null; found = NUMBER.exec(rest)) {
      watcher.numbers.push(Number(found[1]));
      rest = rest.slice(found.index + found[0].length);
    }
    rest = rest.slice(-20);
  });
  if (!reads) socket.pause();
  await once(socket, 'connect');
  socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await eventually(() => expect(responses[before]?.headersSent).toBe(true));
  return watcher;
}

async function say(text: string): Promise<void> {
  const { seq } = await log.head(ref);
  await log.append({ ...ref, after: seq, entries: [agentMessage(text)] });
}

describe('a client that does not read', () => {
  it('is kept one event and no more, takes nothing from the others, and gets everything once it reads', async () => {
    const slow = await watch(false);
    const quick = await watch(true);
    const all = Array.from({ length: 14 }, (_, n) => n);
    for (const n of all) {
      await say(`${n}:${'x'.repeat(MEBIBYTE)}`);
      expect(responses[0]?.writableLength).toBeLessThan(1.1 * MEBIBYTE);
    }
    await eventually(() => expect(quick.numbers).toEqual(all), PATIENCE_MS);
    expect(slow.numbers).toEqual([]);
    slow.resume();
    await eventually(() => expect(slow.numbers).toEqual(all), PATIENCE_MS);
    await say('14:and what comes then');
    await eventually(() => expect(slow.numbers).toEqual([...all, 14]), PATIENCE_MS);
  });

  it('is let go after half a minute', async () => {
    await watch(false);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    while (responses[0]?.writableNeedDrain !== true) await say('x'.repeat(MEBIBYTE));
    await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(30_000);
    expect(responses[0]?.destroyed).toBe(true);
  });
});

describe('clients that do not read', () => {
  it('are let go, those with the oldest event first, when all that waits for them is too much', async () => {
    // A frame is a little larger than its text.
    unread = createUnread({ all: 2.5 * MEBIBYTE, of_workspace: 2.5 * MEBIBYTE });
    const isWaiting = (n: number): boolean => responses[n]?.writableNeedDrain === true;
    let said = 0;
    const watchers: Watcher[] = [];
    // Each comes to wait at an event of its own.
    for (const n of [0, 1, 2]) {
      watchers.push(await watch(false));
      while (!isWaiting(n) && responses[n]?.destroyed === false) {
        await say(`${said}:${'x'.repeat(MEBIBYTE)}`);
        said += 1;
      }
    }
    await eventually(() => expect(responses[0]?.destroyed).toBe(true));
    expect(responses.slice(1).map(({ destroyed }) => destroyed)).toEqual([false, false]);
    watchers[2]?.resume();
    await eventually(() => expect(watchers[2]?.numbers.at(-1)).toBe(said - 1), PATIENCE_MS);
  });

  it('may be many at one event, which is in memory once', async () => {
    unread = createUnread({ all: 1.5 * MEBIBYTE, of_workspace: 1.5 * MEBIBYTE });
    await Promise.all(Array.from({ length: 5 }, () => watch(false)));
    while (responses.some((response) => !response.writableNeedDrain)) await say('x'.repeat(MEBIBYTE));
    expect(responses.filter(({ destroyed }) => destroyed)).toEqual([]);
  });
});

describe('an input of the largest size that is taken up', () => {
  it('is read once for all who watch, and sent to each', async () => {
    const find = vi.spyOn(log, 'find');
    const watchers = await Promise.all(Array.from({ length: 10 }, () => watch(true)));
    const text = `1:${'x'.repeat(8 * MEBIBYTE - 1_000)}`;
    const id = newId('sevt');
    await log.appendInputs(ref, [
      { event: { id, type: 'user.message', processed_at: null, content: [{ type: 'text', text }] } },
    ]);
    for (const watcher of watchers) await eventually(() => expect(watcher.numbers).toEqual([1]), PATIENCE_MS);
    await eventually(() => expect(responses.filter((response) => response.writableNeedDrain)).toEqual([]), PATIENCE_MS);
    const { seq } = await log.head(ref);
    const processed_at = new Date().toISOString();
    const taken = { id: newId('sevt'), type: 'deckhand.input_processed' as const, processed_at, event_ids: [id] };
    await log.append({ ...ref, after: seq, entries: [{ event: taken }] });
    for (const watcher of watchers) await eventually(() => expect(watcher.numbers).toEqual([1, 1]), PATIENCE_MS);
    expect(find).toHaveBeenCalledTimes(1);
  });
});

describe('an event of the largest size', () => {
  it('reaches everybody who watches, whole', async () => {
    const watchers = await Promise.all(Array.from({ length: 10 }, () => watch(true)));
    const size = 8 * MEBIBYTE - 1_000;
    await say(`1:${'x'.repeat(size)}`);
    await say('2:and it goes on');
    for (const watcher of watchers) {
      await eventually(() => expect(watcher.numbers).toEqual([1, 2]), PATIENCE_MS);
      expect(watcher.bytes).toBeGreaterThan(size);
    }
  });

  it('is refused in words when it is larger, and nothing of it stays', async () => {
    await expect(say('x'.repeat(8 * MEBIBYTE))).rejects.toThrow(/more than the 8388608 that fit one append/);
    expect(await log.read(ref)).toEqual([]);
    await say('goes on');
    expect(await log.read(ref)).toHaveLength(1);
  });
});
