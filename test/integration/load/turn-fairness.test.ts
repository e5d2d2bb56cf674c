import { Queue } from 'bullmq';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../../src/logger.ts';
import { consumeTurns, createTurnQueue } from '../../../src/queue/bullmq-queue.ts';
import { startSweep } from '../../../src/queue/sweep.ts';
import type { TurnConsumer, TurnJob, TurnQueue } from '../../../src/queue/turn-queue.ts';
import { eventually } from '../../support/eventually.ts';
import { testRedis } from '../../support/services.ts';

/** Slots that one lane may fill in the worker of these tests. */
const CONCURRENCY = 16;
const FLOOD = 2_000;

let redis: Redis;
let prefix: string;
let queue: TurnQueue & AsyncDisposable;
let consumers: TurnConsumer[];
/** Sessions in the order in which their turns began. */
let started: string[];
/** Sessions whose turns are under way, and what ends them. */
let held: Map<string, () => void>;
let holding: boolean;

beforeEach(() => {
  const { url, prefix: own } = testRedis();
  prefix = own;
  redis = new Redis(url, { maxRetriesPerRequest: null });
  const at = Date.now();
  queue = createTurnQueue({ connection: redis, prefix, logger: silentLogger, now: () => at });
  consumers = [];
  started = [];
  held = new Map();
  holding = true;
});

afterEach(async () => {
  release();
  for (const consumer of consumers) await consumer[Symbol.asyncDispose]();
  await queue[Symbol.asyncDispose]();
  await forgetQueue();
  await redis.quit();
});

function job(lane: string, n: number): TurnJob {
  return { workspace_id: 'wrkspc_test', session_id: `sesn_${lane}_${String(n).padStart(5, '0')}`, lane };
}

/** A worker whose model does not answer before the test says so. */
function work(): void {
  consumers.push(
    consumeTurns({
      connection: redis,
      prefix,
      logger: silentLogger,
      concurrency: CONCURRENCY,
      lock_ms: 30_000,
      stalled_ms: 1_000,
      async take({ session_id }) {
        started.push(session_id);
        if (holding) await new Promise<void>((resolve) => held.set(session_id, resolve));
        held.delete(session_id);
      },
    }),
  );
}

function release(): void {
  holding = false;
  for (const end of held.values()) end();
}

async function flood(lane: string): Promise<TurnJob[]> {
  const jobs = Array.from({ length: FLOOD }, (_, n) => job(lane, n));
  await Promise.all(jobs.map((one) => queue.enqueue(one)));
  return jobs;
}

/** As after FLUSHALL, but of this test's keys only: the Redis is shared. */
async function forgetQueue(): Promise<void> {
  for await (const keys of redis.scanStream({ match: `${prefix}:*`, count: 1_000 })) {
    if (keys.length > 0) await redis.del(...(keys as string[]));
  }
}

async function waitingJobs(): Promise<number> {
  const view = new Queue('turns', { connection: redis, prefix });
  const counts = await view.getJobCounts('wait', 'prioritized', 'delayed');
  await view.close();
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}

const isOf = (lane: string) => (session_id: string) => session_id.startsWith(`sesn_${lane}_`);

describe('a flood in one lane', () => {
  it('does not keep another lane waiting, even when none of its turns ends', async () => {
    const jobs = await flood('a');
    work();
    await eventually(() => expect(held.size).toBe(CONCURRENCY));
    await queue.enqueue(job('b', 0));
    await eventually(() => expect(started).toContain(job('b', 0).session_id));
    expect(started.filter(isOf('a'))).toHaveLength(CONCURRENCY);

    // And the flood itself is worked off to the end.
    release();
    await eventually(() => expect(new Set(started).size).toBe(jobs.length + 1), 30_000);
    expect(started).toHaveLength(jobs.length + 1);
  });

  it('stands behind a lane that asks later, when the worker comes last', async () => {
    await flood('a');
    await queue.enqueue(job('b', 0));
    work();
    await eventually(() => expect(started).toContain(job('b', 0).session_id));
    // At most what is taken side by side with the first of the flood.
    expect(started.indexOf(job('b', 0).session_id)).toBeLessThanOrEqual(CONCURRENCY / 2);
  });

  it('shares with another flood', async () => {
    const [a, b] = [await flood('a'), await flood('b')];
    holding = false;
    work();
    await eventually(() => expect(started).toHaveLength(a.length + b.length), 30_000);
    const half = started.slice(0, FLOOD / 2).filter(isOf('b')).length;
    expect(half).toBeGreaterThan(FLOOD / 8);
  });
});

describe('the sweep', () => {
  /** What the log would say. */
  function sweepOver(owed: TurnJob[]) {
    const byId = [...owed].sort((x, y) => (x.session_id < y.session_id ? -1 : 1));
    return startSweep(
      {
        owed: async (limit, after) => byId.filter((one) => after === null || one.session_id > after).slice(0, limit),
        queue,
        logger: silentLogger,
      },
      600_000,
    );
  }

  it('brings everybody back after Redis lost everything, in a fair order', async () => {
    const jobs = await flood('a');
    const quiet = job('z', 0);
    await queue.enqueue(quiet);
    await forgetQueue();
    await using sweep = sweepOver([...jobs, quiet]);
    // However many are owed before it by id, the last one comes up.
    while ((await sweep.sweepNow()) > 0) if (await isBack(quiet)) break;
    work();
    await eventually(() => expect(started).toContain(quiet.session_id));
    expect(started.indexOf(quiet.session_id)).toBeLessThanOrEqual(CONCURRENCY);
    release();
    await eventually(() => expect(new Set(started).size).toBe(jobs.length + 1), 30_000);
  });

  async function isBack(one: TurnJob): Promise<boolean> {
    return (await redis.exists(`${prefix}:turns:de:${one.session_id}`)) === 1;
  }

  it('does not make the queue longer by asking again and again', async () => {
    const jobs = Array.from({ length: 700 }, (_, n) => job('a', n));
    await using sweep = sweepOver(jobs);
    for (let round = 0; round < 6; round++) await sweep.sweepNow();
    expect(await waitingJobs()).toBe(jobs.length);
  });

  it('may ask again for a session whose wake was taken by a worker that is lost', async () => {
    const one = job('a', 0);
    await using sweep = sweepOver([one]);
    await sweep.sweepNow();
    work();
    await eventually(() => expect(held.size).toBe(1));
    await eventually(async () => expect(await isBack(one)).toBe(false));
    await sweep.sweepNow();
    await eventually(() => expect(started).toEqual([one.session_id, one.session_id]));
  });
});
