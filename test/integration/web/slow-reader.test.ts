import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import express, { type Response } from 'express';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createConversationStore } from '../../../connectors/web/conversation-store.ts';
import { type EventStream, openEventStream } from '../../../connectors/web/event-stream.ts';
import { createBell } from '../../../connectors/web/hints.ts';
import { createMessageStore, type MessageStore } from '../../../connectors/web/message-store.ts';
import { silentLogger } from '../../../src/logger.ts';
import { eventually } from '../../support/eventually.ts';
import { createMemoryHints } from '../../support/memory-hints.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const PERSON = { id: 'ana', name: 'Ana' };
const MEBIBYTE = 1_048_576;

let database: TestDatabase;
let server: Server;
let socket: Socket;
let response: Response;
let stream: EventStream;
let messages: MessageStore;
let conversationId: string;
let errors: unknown[];

beforeEach(async () => {
  errors = [];
  database = await testDatabase();
  messages = createMessageStore(database.db, 'wrkspc_default');
  const conversations = createConversationStore(database.db, 'wrkspc_default');
  await Promise.all([messages.createIndexes(), conversations.createIndexes()]);
  const begun = await conversations.create({ client_id: 'client-0001', person: PERSON, agent: null });
  conversationId = begun.id;
  const bell = createBell(createMemoryHints(), 'wrkspc_default', silentLogger);
  const app = express().get('/', (_request, opened) => {
    response = opened;
    const deps = {
      messages,
      conversations,
      bell,
      isSignedIn: () => Promise.resolve(true),
      onError: (error: unknown) => errors.push(error),
    };
    stream = openEventStream(deps, { person: PERSON, conversationId, after: 0 }, opened);
  });
  server = createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  vi.useRealTimers();
  // What the stream still reads when the database goes away afterwards is no fault of its.
  expect(errors).toEqual([]);
  stream.close();
  socket.destroy();
  server.closeAllConnections();
  server.close();
  await database[Symbol.asyncDispose]();
});

/** A page that asks for the stream and then reads nothing. */
async function openPage(): Promise<void> {
  socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.pause();
  await once(socket, 'connect');
  socket.write('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
}

async function fill(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) {
    const body = { kind: 'text' as const, markdown: `${n}:${'x'.repeat(60_000)}`, live: false };
    await messages.add(conversationId, { author: { kind: 'agent', name: 'Deckhand' }, body });
  }
}

describe('a reader that does not read', () => {
  it('is not sent more than a bounded piece, and gets everything in order once it reads', async () => {
    await fill(200);
    await openPage();
    await eventually(() => expect(response.writableNeedDrain).toBe(true));
    expect(response.writableLength).toBeLessThan(MEBIBYTE);

    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (chunk: string) => {
      text += chunk;
    });
    socket.resume();
    await eventually(() => expect(text).toContain('event: ready'));
    const numbers = [...text.matchAll(/"markdown":"(\d+):/g)].map((match) => Number(match[1]));
    expect(numbers).toEqual(Array.from({ length: 200 }, (_, index) => index));
  });

  it('is dropped when it takes nothing for half a minute', async () => {
    await fill(200);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    await openPage();
    // Not `eventually`: its waits are timers too.
    while (response?.writableNeedDrain !== true) await new Promise((resolve) => setImmediate(resolve));
    vi.advanceTimersByTime(30_000);
    await stream.ended;
    vi.advanceTimersByTime(1_000);
    expect(response.destroyed).toBe(true);
  });
});
