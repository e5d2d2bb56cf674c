import { Redis } from 'ioredis';
import type { Document } from 'mongodb';
import { expect, inject, test } from 'vitest';
import { silentLogger } from '../../src/logger.ts';
import { createTurnQueue } from '../../src/queue/bullmq-queue.ts';
import type { LogEntry } from '../../src/session/event.ts';
import { emptyLog, type LoggedDocument, toDocument } from '../../src/session/log-document.ts';
import { testDatabase } from '../support/services.ts';
import { logsAreWhole } from '../support/soak/check-logs.ts';
import type { Evidence } from '../support/soak/evidence.ts';
import { gatherForgotten, gatherSessions, unfinished } from '../support/soak/gather.ts';

/* What the soak's checker is given of stores in which something is wrong. */

const REF = { workspace_id: 'wrkspc_1', session_id: 'sesn_1' };
const { session_id } = REF;

test('a house whose queue holds a turn is not at rest', async () => {
  await using database = await testDatabase();
  const redis_url = inject('redis_url');
  expect(await unfinished(database.db, redis_url)).toEqual([]);
  const connection = new Redis(redis_url, { maxRetriesPerRequest: null });
  try {
    await using queue = createTurnQueue({ connection, prefix: `deckhand:${database.name}`, logger: silentLogger });
    await queue.enqueue({ ...REF, lane: 'one' });
    expect(await unfinished(database.db, redis_url)).toEqual(['1 turns in the queue']);
  } finally {
    await connection.quit();
  }
});

test('a copy is compared with the tail that has the same event', async () => {
  await using database = await testDatabase();
  const at = new Date('2026-11-21T12:00:00.000Z');
  const [first, second] = ['sevt_1', 'sevt_2'].map((id, index): LogEntry => {
    return { seq: index + 1, created_at: at, event: { id, type: 'session.status_running', processed_at: at.toJSON() } };
  });
  if (first === undefined || second === undefined) throw new Error('There are two');
  const tail = [first, second].map(({ seq: _seq, ...rest }) => rest);
  await database.db
    .collection<LoggedDocument>('sessions')
    .insertOne({ _id: session_id, workspace_id: REF.workspace_id, log: { ...emptyLog(), seq: 2, tail } });
  const copies = database.db.collection<Document & { _id: string }>('session_events');

  async function wrong(): Promise<string[]> {
    return logsAreWhole({ sessions: await gatherSessions(database.db) } as Evidence);
  }
  await copies.insertOne(toDocument(REF, first));
  expect(await wrong()).toEqual([]);
  await copies.insertOne(toDocument(REF, { ...second, created_at: new Date(0) }));
  expect(await wrong()).toEqual(['sesn_1: the tail has sevt_2 as event 2, and its copy (event 2) differs']);
});

test('whatever a deleted session left in MongoDB is found', async () => {
  await using database = await testDatabase();
  const put = (collection: string, document: Document) => database.db.collection(collection).insertOne(document);
  await put('conversations', { sessions: { agent_1: { session_id } } });
  await put('deliveries', { session_id: 'sesn_2' });
  expect(await gatherForgotten(database.db, [session_id])).toEqual([]);

  const left: [string, Document][] = [
    ['sessions', { _id: session_id }],
    ['session_events', { _id: 'sevt_1', session_id }],
    ['session_checkpoints', { _id: session_id, state: '{}' }],
    ['deliveries', { _id: 'dlv_1', session_id }],
    ['delivery_cursors', { _id: session_id }],
    ['approvals', { _id: 'appr_1', session_id }],
    ['files', { _id: 'file_1', session_id }],
    ['file_room', { _id: session_id, total: 0 }],
  ];
  for (const [collection, document] of left) await put(collection, document);
  await put('file_chunks', { file_id: 'file_gone' });
  expect((await gatherForgotten(database.db, [session_id])).sort()).toEqual(
    [
      ...left.map(([collection, { _id }]) => `${collection} ${_id} names ${session_id}`),
      'file_chunks of file_gone, which is not there',
    ].sort(),
  );
});
