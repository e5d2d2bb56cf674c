import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { createLogIndexes } from '../../src/session/mongo-log.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { act, followersOf, makeMove, openTurn } from '../support/log-world/actors.ts';
import { logPlan } from '../support/log-world/plans.ts';
import { assert } from '../support/log-world/watcher.ts';
import { inLogWorld, LEASE_MS, type LogWorld, type WorldProcess } from '../support/log-world/world.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await testDatabase();
  await createLogIndexes(database.db);
});
afterAll(() => database[Symbol.asyncDispose]());

// Each process has its own time of day, and nobody waits in real time. The driver's own timers are not these.
beforeEach(() => void vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'] }));
afterEach(() => void vi.useRealTimers());

it(
  'holds whoever writes, reads, takes over, fails and dies, between any two operations',
  async () => {
    await fc.assert(
      fc.asyncProperty(logPlan, fc.scheduler<string>(), ({ strands, ...of }, scheduler) =>
        inLogWorld(database.db, of, scheduler, async (world, together) => {
          await together(
            ...strands.map(({ process: number, actions }) => async () => {
              const process = world.processes[number];
              for (const one of actions) if (process !== undefined) await act(world, process, one);
            }),
          );
          await endWell(world, together);
        }),
      ),
      cases(80),
    );
  },
  CASES_TIMEOUT_MS,
);

/** Whatever happened: somebody new can take the session over, bring it to rest, and everybody sees the same log. */
async function endWell(
  world: LogWorld,
  together: (...work: Array<() => Promise<void>>) => Promise<void>,
): Promise<void> {
  const { ref, watcher } = world;
  const last = world.newcomer();
  for (const process of world.processes) process.recover();
  await together(() => seesAll(world, last));
  await together(async () => {
    await world.runOut();
    const claimed = await last.log.claim(ref, 'last', LEASE_MS);
    assert(claimed !== null, 'a lease that ran out cannot be taken');
    const turn = await openTurn(world, last, claimed);
    await makeMove(world, last, claimed.lease, turn, 'answer');
    await makeMove(world, last, claimed.lease, turn, 'rest');
    for (const process of world.processes)
      process.hear(JSON.stringify({ type: 'appended', seq: Number.MAX_SAFE_INTEGER }));
  });
  expect(watcher.log).toMatchObject({ owed: false, status: 'idle' });
  await together(() => seesAll(world, last));
  const there = new Set(watcher.entries.map((entry) => entry.event.id));
  for (const { ids, outcome } of watcher.batches) {
    if (outcome === 'landed')
      assert(
        ids.every((id) => there.has(id)),
        'an acknowledged append is not in the log',
      );
    if (outcome === 'refused') assert(!ids.some((id) => there.has(id)), 'a refused append is in the log');
  }
  for (const process of world.processes) {
    // A feed whose read failed looks again in its own time.
    if (!process.isFlawless) continue;
    for (const seen of followersOf(process).values()) {
      assert(seen === watcher.entries.length, `a follower saw ${seen} of ${watcher.entries.length} events`);
    }
  }
}

/** Readers and lists see everything that has landed, whether anybody was told of it or not. */
async function seesAll({ ref, watcher, checkRead }: LogWorld, { log }: WorldProcess): Promise<void> {
  const listed = await log.query({ ...ref, order: 'asc', limit: 1_000, include_internal: true });
  const read = await log.read(ref);
  for (const found of [listed, read]) {
    checkRead(found, 0);
    assert(found.length === watcher.entries.length, `of ${watcher.entries.length} events ${found.length} are seen`);
  }
}
