import type { Benchmark } from '../benchmark.ts';
import type { TurnsResult } from '../load/turns.ts';
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
    let workers = 0;
    return {
      rows: await each(WORKERS, async (count) => {
        for (; workers < count; workers += 1) await house.start('worker');
        say(`${count} workers`);
        return measured(stage, house, gateway, rounds);
      }),
    };
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
    const [gateway] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const template = await madeTemplate(house, turnsOn(stage, house, gateway));
    let stored = 1;
    return {
      rows: await each(STORED, async (count) => {
        say(`${count} stored sessions`);
        await seed(house.mongo.db(house.database), template, { sessions: count - stored, times: 1 });
        stored = count;
        return measured(stage, house, gateway, rounds);
      }),
    };
  },
};

/** One row per count; the first one's figure is the others' floor. */
async function each(
  counts: number[],
  measure: (count: number) => Promise<Measurement>,
): Promise<Record<string, Measurement>> {
  const rows: Record<string, Measurement> = {};
  let first: number | undefined;
  for (const count of counts) {
    const found = await measure(count);
    first ??= median(found.rounds);
    rows[String(count)] = { ...found, floor: first };
  }
  return rows;
}

async function measured(stage: Stage, house: House, gateway: Server, rounds: number): Promise<Measurement> {
  const prepare = turnsOn(stage, house, gateway);
  const turns = async (): Promise<TurnsResult> => (await prepare(AT_ONCE, MANY))();
  // The first one warms up.
  await turns();
  const found = await repeated(rounds, turns);
  return {
    rounds: found.map(turnsPerSecond),
    singles: found.flatMap((round) => round.total_ms),
    n: MANY * rounds,
    errors: found.flatMap((round) => round.errors),
  };
}
