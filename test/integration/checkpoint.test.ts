import type { BetaMessage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { AskModel } from '../../src/harness/model.ts';
import { CHECKPOINT_EVENTS, createStateCache } from '../../src/harness/state-cache.ts';
import { takeTurn } from '../../src/harness/turn.ts';
import { createCheckpointStore, forgetCheckpoint } from '../../src/session/checkpoint-store.ts';
import type { SessionLog } from '../../src/session/log.ts';
import { emptyState, type SessionState } from '../../src/session/session-state.ts';
import { fold } from '../../src/session/state.ts';
import { deferred } from '../support/deferred.ts';
import { note } from '../support/entries.ts';
import { type Stage, stage } from '../support/harness.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

/** Calls of one answer. Each is three events: Claude's, that it began, its result. */
const CALLS = 50;

const never = new AbortController().signal;

/** A session with a long log whose last turn has ended. */
async function longSession(): Promise<Stage> {
  const on = await stage(database.db);
  await on.says('begin');
  await grow(on, CHECKPOINT_EVENTS);
  on.model.reply({ text: 'First answer.' });
  await on.settle();
  return on;
}

/** So many events more, which ask for nothing. */
async function grow(on: Stage, events: number): Promise<void> {
  for (let count = 0; count < events; count += 50) {
    const { seq } = await on.log.head(on.ref);
    await on.log.append({ ...on.ref, after: seq, entries: Array.from({ length: 50 }, () => note('x'.repeat(1000))) });
  }
}

/** Claude, who asks for calls again and again. */
function looksOn(before: () => Promise<void>): AskModel {
  let count = 0;
  return async (_request, _listener, signal) => {
    await before();
    if (signal.aborted) return { kind: 'aborted', said: [], usage: null };
    const content = Array.from({ length: CALLS }, () => {
      count += 1;
      return { type: 'tool_use', id: `toolu_${count}`, name: 'read', input: { text: `${count}` } };
    });
    const usage = { input_tokens: 1, output_tokens: 1 };
    return { kind: 'replied', message: { content, stop_reason: 'tool_use', stop_details: null, usage } as BetaMessage };
  };
}

/** The log, and how many entries were read of it. */
function counted(log: SessionLog): { log: SessionLog; read(): number } {
  let count = 0;
  const readPage: SessionLog['readPage'] = async (...request) => {
    const page = await log.readPage(...request);
    count += page.entries.length;
    return page;
  };
  return { log: { ...log, readPage }, read: () => count };
}

test('a worker that is new to a long session reads what came after its checkpoint, and asks Claude the same', async () => {
  await using on = await longSession();
  on.model.reply({ text: 'Second answer.' });
  await on.says('go on');
  const { log, read } = counted(on.log);
  expect(await takeTurn(on.worker({ log }), on.ref, never)).toBe('rested');
  expect(read()).toBeLessThan(CHECKPOINT_EVENTS / 2);
  expect(on.model.requests.at(-1)?.messages).toMatchObject([
    { role: 'user' },
    { role: 'assistant', content: [{ text: 'First answer.' }] },
    { role: 'user' },
  ]);
});

test('a worker that is new to a long session reads its checkpoint while it claims it', async () => {
  await using on = await longSession();
  on.model.reply({ text: 'Second answer.' });
  await on.says('go on');
  const { seq } = await on.log.head(on.ref);
  const event_ids = (await on.log.read(on.ref, seq - 1)).map(({ event }) => event.id);
  const checkpoints = createCheckpointStore(database.db);
  const reads = deferred<void>();
  const load: typeof checkpoints.load = (ref) => {
    reads.resolve();
    return checkpoints.load(ref);
  };
  const claim: SessionLog['claim'] = async (...request) => {
    await reads.promise;
    return on.log.claim(...request);
  };
  const worker = on.worker({ log: { ...on.log, claim }, states: createStateCache({ ...checkpoints, load }) });
  expect(await takeTurn(worker, { ...on.ref, messages: { seq, event_ids } }, never)).toBe('rested');
  expect(on.model.requests.at(-1)?.messages).toHaveLength(3);
});

test('a worker that goes on with a run of 10,000 events, killed or drained, reads what came after its last checkpoint', {
  timeout: 120_000,
}, async () => {
  await using on = await stage(database.db);
  const asked = deferred<void>();
  const gone = deferred<void>();
  const draining = new AbortController();
  await on.says('look at everything');
  const whenKilled = looksOn(async () => {
    if ((await on.log.head(on.ref)).seq < 10_000) return;
    asked.resolve();
    await gone.promise;
  });
  // Its first renewal would come long after the test: a killed worker renews nothing.
  const timings = { lease_ms: 600_000, retry_ms: 1, retry_max_ms: 50, max_failures: 3 };
  const killed = takeTurn(on.worker({ ask: whenKilled, timings }), on.ref, never);
  await asked.promise;
  await database.db
    .collection<{ _id: string }>('sessions')
    .updateOne({ _id: on.ref.session_id }, { $set: { 'log.lease.until': new Date(0) } });

  let answers = 0;
  const whenDrained = looksOn(async () => {
    answers += 1;
    if (answers > 3) draining.abort();
  });
  const second = counted(on.log);
  expect(await takeTurn(on.worker({ log: second.log, ask: whenDrained }), on.ref, draining.signal)).toBe('handed_over');
  expect(second.read()).toBeLessThan(CHECKPOINT_EVENTS + 4 * CALLS);

  on.model.reply({ text: 'Seen.' });
  const third = counted(on.log);
  expect(await takeTurn(on.worker({ log: third.log }), on.ref, never)).toBe('rested');
  expect(third.read()).toBeLessThan(CHECKPOINT_EVENTS + 4 * CALLS);
  gone.resolve();
  expect(await killed).toBe('lost');
});

test('a worker that knows a session as it was long ago goes on from a newer checkpoint', async () => {
  await using on = await stage(database.db);
  on.model.otherwise({ text: 'Said.' });
  const { log, read } = counted(on.log);
  const once = on.worker({ log });
  await on.says('begin');
  await takeTurn(once, on.ref, never);
  await grow(on, 3 * CHECKPOINT_EVENTS);
  await on.says('and this');
  await on.settle();
  const before = read();
  await on.says('go on');
  expect(await takeTurn(once, on.ref, never)).toBe('rested');
  expect(read() - before).toBeLessThan(CHECKPOINT_EVENTS);
});

test('a checkpoint is the fold of the log, as JSON gives it back', async () => {
  await using on = await longSession();
  const saved = await createCheckpointStore(database.db).load(on.ref);
  expect(saved).toEqual(fold((await on.log.read(on.ref)).slice(0, saved?.seq)));
});

test('an older state never replaces a newer one, and another fold’s is not gone on from', async () => {
  await using on = await longSession();
  const checkpoints = createCheckpointStore(database.db);
  const saved = await checkpoints.load(on.ref);
  if (saved === null) throw new Error('No checkpoint was saved');
  await checkpoints.save(on.ref, { ...saved, seq: saved.seq - 1 });
  expect((await checkpoints.load(on.ref))?.seq).toBe(saved.seq);
  expect(await checkpoints.load({ ...on.ref, workspace_id: 'wrkspc_other' })).toBeNull();

  const documents = database.db.collection<{ _id: string }>('session_checkpoints');
  await documents.updateOne({ _id: on.ref.session_id }, { $set: { version: -1, seq: saved.seq + 1000 } });
  expect(await checkpoints.load(on.ref)).toBeNull();
  const claimed = { head: await on.log.head(on.ref), latest: [] };
  const state = await createStateCache(checkpoints).load(on.log, on.ref, claimed);
  expect(state).toEqual(fold(await on.log.read(on.ref)));
  await checkpoints.save(on.ref, saved);
  expect((await checkpoints.load(on.ref))?.seq).toBe(saved.seq);

  await forgetCheckpoint(database.db, on.ref.session_id);
  expect(await checkpoints.load(on.ref)).toBeNull();
});

test('a state that is too heavy for one document is saved whole, and what it replaces goes', async () => {
  await using on = await stage(database.db);
  const checkpoints = createCheckpointStore(database.db, 1_000);
  const parts = database.db.collection('session_checkpoint_parts');
  // Three bytes each: one of them stands across the end of a part.
  const heavy = (seq: number): SessionState => ({ ...emptyState(), seq, untold: ['€'.repeat(600)] });
  await checkpoints.save(on.ref, heavy(300));
  await checkpoints.save(on.ref, heavy(1_000));
  expect(await checkpoints.load(on.ref)).toEqual(heavy(1_000));
  expect(await parts.countDocuments()).toBe(2);
  await parts.deleteOne({});
  expect(await checkpoints.load(on.ref)).toBeNull();
  await checkpoints.save(on.ref, { ...emptyState(), seq: 1_100 });
  expect(await parts.countDocuments()).toBe(0);
  await checkpoints.save(on.ref, heavy(1_200));
  await forgetCheckpoint(database.db, on.ref.session_id);
  expect(await parts.countDocuments()).toBe(0);
});

test('nothing is kept of a session that was deleted before its checkpoint was saved', async () => {
  await using on = await stage(database.db);
  const checkpoints = createCheckpointStore(database.db);
  await database.db.collection<{ _id: string }>('sessions').deleteOne({ _id: on.ref.session_id });
  await checkpoints.save(on.ref, { ...emptyState(), seq: 600 });
  expect(await checkpoints.load(on.ref)).toBeNull();
});
