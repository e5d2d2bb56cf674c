import { afterAll, beforeAll, expect, test } from 'vitest';
import { CHECKPOINT_EVENTS, createStateCache } from '../../src/harness/state-cache.ts';
import { takeTurn } from '../../src/harness/turn.ts';
import { createCheckpointStore, forgetCheckpoint } from '../../src/session/checkpoint-store.ts';
import type { SessionLog } from '../../src/session/log.ts';
import { fold } from '../../src/session/state.ts';
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

const never = new AbortController().signal;

/** A session with a long log whose last turn has ended. */
async function longSession(): Promise<Stage> {
  const on = await stage(database.db);
  await on.says('begin');
  for (let count = 0; count < CHECKPOINT_EVENTS; count += 50) {
    const { seq } = await on.log.head(on.ref);
    await on.log.append({ ...on.ref, after: seq, entries: Array.from({ length: 50 }, () => note('x'.repeat(1000))) });
  }
  on.model.reply({ text: 'First answer.' });
  await on.settle();
  return on;
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
