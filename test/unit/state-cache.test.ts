import { expect, it } from 'vitest';
import { CHECKPOINT_EVENTS, createStateCache } from '../../src/harness/state-cache.ts';
import { emptyState, type SessionState } from '../../src/session/session-state.ts';
import { deferred } from '../support/deferred.ts';

const ref = { workspace_id: 'wrkspc_1', session_id: 'sesn_1' };
const LARGE = 40 * 1024 * 1024;

/** A store that saves when it is let. */
function slowStore() {
  const saves: { seq: number; end(error?: Error): void }[] = [];
  return {
    saves,
    load: async () => null,
    async save(_ref: typeof ref, { seq }: SessionState) {
      const ended = deferred<Error | undefined>();
      saves.push({ seq, end: (error) => ended.resolve(error) });
      const error = await ended.promise;
      if (error !== undefined) throw error;
    },
  };
}

function state(seq: number, bytes = 1): SessionState {
  return { ...emptyState(), seq, bytes };
}

it('saves a state once, however much is appended while it is saved', async () => {
  const store = slowStore();
  const cache = createStateCache(store);
  cache.put(ref, state(CHECKPOINT_EVENTS));
  const first = cache.checkpoint(ref);
  cache.put(ref, state(CHECKPOINT_EVENTS + 1));
  await cache.checkpoint(ref);
  store.saves[0]?.end();
  await first;
  await cache.checkpoint(ref);
  expect(store.saves.map(({ seq }) => seq)).toEqual([CHECKPOINT_EVENTS]);
  expect(cache.peek(ref)?.seq).toBe(CHECKPOINT_EVENTS + 1);
});

it('puts nothing back that was forgotten while it was saved', async () => {
  const store = slowStore();
  const cache = createStateCache(store);
  cache.put(ref, state(CHECKPOINT_EVENTS));
  const saved = cache.checkpoint(ref);
  cache.forget(ref);
  store.saves[0]?.end();
  await saved;
  expect(cache.peek(ref)).toBeNull();
});

it('knows what it saved of sessions for whose states it has no room', async () => {
  const store = slowStore();
  const cache = createStateCache(store);
  const other = { ...ref, session_id: 'sesn_2' };
  for (let round = 0; round < 5; round++) {
    for (const one of [ref, other]) {
      cache.put(one, state(CHECKPOINT_EVENTS + round, LARGE));
      const saved = cache.checkpoint(one);
      store.saves.at(-1)?.end();
      await saved;
    }
  }
  expect(cache.peek(ref)).toBeNull();
  expect(store.saves).toHaveLength(2);
});

it('saves again what could not be saved', async () => {
  const store = slowStore();
  const cache = createStateCache(store);
  cache.put(ref, state(CHECKPOINT_EVENTS));
  const failed = expect(cache.checkpoint(ref)).rejects.toThrow('away');
  store.saves[0]?.end(new Error('away'));
  await failed;
  void cache.checkpoint(ref);
  expect(store.saves).toHaveLength(2);
});

it('reads ahead what a long session that is new here needs, once', async () => {
  let reads = 0;
  const saved = state(CHECKPOINT_EVENTS);
  const cache = createStateCache({ ...slowStore(), load: async () => (reads++, saved) });
  const log = { readPage: async () => ({ entries: [], more: false }) };
  const head = { seq: CHECKPOINT_EVENTS, status: 'idle' as const, stop_reason: null, owed: true, lease_token: 1 };
  const ahead = cache.ahead(ref, head.seq);
  expect(reads).toBe(1);
  expect(await cache.load(log, ref, { head, latest: [] }, ahead)).toBe(saved);
  expect(reads).toBe(1);
  expect(cache.ahead(ref, head.seq + 1)).toBeNull();
  expect(cache.ahead({ ...ref, session_id: 'sesn_short' }, CHECKPOINT_EVENTS - 1)).toBeNull();
  expect(reads).toBe(1);
});
