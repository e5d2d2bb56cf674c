import type { Benchmark, Findings } from '../benchmark.ts';
import { cpuShares } from '../processes/usage.ts';
import type { Measurement } from '../row.ts';
import { seed } from '../seed.ts';
import type { House, Server, Stage } from '../stage.ts';
import { median } from '../statistics.ts';
import { AT_ONCE, MANY, madeTemplate, repeated, turnsOn, turnsPerSecond } from './rounds.ts';

const WORKERS = [1, 2, 4];
const STORED = [1, 100, 10_000, 100_000];

const rate = { unit: 'turns/s', better: 'higher', target: null } as const;

/** Turns per second at 64 with more workers; the floor column holds the figure of one. */
export const growthWorkers: Benchmark = {
  name: 'growth-workers',
  about: 'turns/s at 64 with more workers',
  rounds: 2,
  rows: Object.fromEntries(WORKERS.map((count) => [String(count), rate])),
  async run(stage, { rounds, say }) {
    await using house = await stage.house();
    const gateway = await house.start('gateway');
    const workers: Server[] = [];
    return await each(WORKERS, 'Workers', async (count) => {
      while (workers.length < count) workers.push(await house.start('worker'));
      say(`${count} workers`);
      return measured(stage, house, { gateway, workers }, rounds);
    });
  },
};

/** Turns per second at 64 with more sessions stored; the floor column holds the figure of one. */
export const growthSessions: Benchmark = {
  name: 'growth-sessions',
  about: 'turns/s at 64 with more sessions stored',
  rounds: 2,
  rows: Object.fromEntries(STORED.map((count) => [String(count), rate])),
  async run(stage, { rounds, say }) {
    await using house = await stage.house();
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const template = await madeTemplate(house, turnsOn(stage, house, gateway));
    let stored = 1;
    return await each(STORED, 'Stored sessions', async (count) => {
      say(`${count} stored sessions`);
      await seed(house.mongo.db(house.database), template, { sessions: count - stored, times: 1 });
      stored = count;
      return measured(stage, house, { gateway, workers: [worker] }, rounds);
    });
  },
};

interface Measured extends Measurement {
  /** Who had the processors meanwhile. */
  shares: string;
}

/** One row per count; the first one's figure is the others' floor. */
async function each(counts: number[], of: string, measure: (count: number) => Promise<Measured>): Promise<Findings> {
  const rows: Record<string, Measurement> = {};
  const notes: string[] = [];
  let first: number | undefined;
  for (const count of counts) {
    const { shares, ...found } = await measure(count);
    first ??= median(found.rounds);
    rows[String(count)] = { ...found, floors: [first] };
    notes.push(`${of}: ${count}; ${shares}`);
  }
  return { rows, notes };
}

async function measured(
  stage: Stage,
  house: House,
  { gateway, workers }: { gateway: Server; workers: Server[] },
  rounds: number,
): Promise<Measured> {
  const prepare = turnsOn(stage, house, gateway);
  // The first one warms up.
  await (await prepare(AT_ONCE, MANY))();
  const shares = cpuShares({
    gateway: gateway.pid,
    ...Object.fromEntries(workers.map(({ pid }, index) => [`worker ${index + 1}`, pid])),
    ...stage.service_pids,
    load: stage.load.pid,
    model: stage.model.pid,
  });
  const found = await repeated(rounds, async () => shares.during(await prepare(AT_ONCE, MANY)));
  return {
    rounds: found.map(turnsPerSecond),
    singles: found.flatMap((round) => round.total_ms),
    n: MANY * rounds,
    errors: found.flatMap((round) => round.errors),
    shares: shares.inWords(),
  };
}
