import type { Benchmark } from '../benchmark.ts';
import { allocations, CPU_ROWS, type CpuMeasurements, cpuCosts, stages, TRAFFIC_ROWS, traffic } from '../cost.ts';
import type { LeastTurn } from '../load/floors.ts';
import type { TurnsResult } from '../load/turns.ts';
import { cpuMeter } from '../processes/usage.ts';
import { profiled } from '../profile.ts';
import type { Measurement } from '../row.ts';
import type { House, Stage } from '../stage.ts';
import { median, percentile } from '../statistics.ts';
import { AT_ONCE, addressesOf, MANY, repeated, turnsOn, turnsPerSecond } from './rounds.ts';

const ALONE = 100;
/** V8 goes on making a turn's code faster for thousands of turns: what is measured is a service that has run for a minute. */
const WARM_UP = 5 * MANY;
/** Turns whose commands are counted: apart from the timed ones, which this would slow down. */
const COUNTED = 100;

const part = { unit: 'ms', better: 'lower', target: null } as const;
/** What the floor of a turn consists of, each alone. */
const PART_ROWS = { 'one-write': part, 'one-hop': part, 'one-model-call': part };

/** One-message turns through `/v1`: latency alone, throughput at 64, and what a turn costs. */
export const turn: Benchmark = {
  name: 'turn',
  about: 'one-message turns through /v1; the stand-in answers at once',
  rounds: 5,
  rows: {
    latency: { unit: 'ms', better: 'lower', target: 12 },
    'to-model': { unit: 'ms', better: 'lower', target: 8 },
    'to-model-p99': { unit: 'ms', better: 'lower', target: 40 },
    throughput: { unit: 'turns/s', better: 'higher', target: 250 },
    ...CPU_ROWS,
    ...TRAFFIC_ROWS,
    ...PART_ROWS,
  },
  async run(stage, { rounds, profile_dir, say }) {
    await using house = await stage.house();
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const prepare = turnsOn(stage, house, gateway);

    say(`warming up: ${WARM_UP} turns`);
    await (await prepare(AT_ONCE, WARM_UP))();
    const floors = await floorsOn(stage, house);
    say(`${rounds} rounds of ${ALONE} turns, one at a time, each with its floor`);
    const alone = await repeated(rounds, async () => ({
      turns: await (await prepare(1, ALONE))(),
      least: await floors.alone(),
    }));
    say(`${rounds} rounds of ${MANY} turns, ${AT_ONCE} at a time, each with its floor`);
    const costs = cpuCosts(stage, { gateway, worker });
    const { result: many, notes } = await profiled([gateway, worker], profile_dir, () =>
      repeated(rounds, async () => ({
        turns: await costs.during(await prepare(AT_ONCE, MANY)),
        least: await floors.many(),
      })),
    );
    say(`counting commands and bytes of ${COUNTED} turns`);
    const counted = await traffic([gateway, worker], await prepare(1, COUNTED));
    say(`watching the steps of ${COUNTED} turns`);
    const steps = await stages([gateway, worker], await prepare(1, COUNTED));
    say(`looking at what ${COUNTED} turns allocate`);
    const allocated = await allocations([gateway, worker], await prepare(1, COUNTED));

    return {
      rows: {
        ...latencyRows(alone),
        throughput: {
          rounds: many.map(({ turns }) => turnsPerSecond(turns)),
          singles: many.flatMap(({ turns }) => turns.total_ms),
          floors: many.map(({ least }) => least.per_second),
          n: MANY * rounds,
          errors: many.flatMap(({ turns }) => turns.errors),
        },
        ...withFloors(
          costs.rows(),
          many.map(({ least }) => least.mongodb_cpu),
        ),
        ...counted.rows,
        ...partRows(alone.map(({ least }) => least)),
      },
      notes: [steps, ...allocated, ...counted.notes, ...notes],
    };
  },
};

/** What no turn can do without, done by itself: three journaled writes, a hop and a model call. */
async function floorsOn(stage: Stage, house: House) {
  const least = (count: number, concurrency: number) =>
    stage.load.call('leastTurns', { ...addressesOf(stage, house), count, concurrency });
  await least(MANY, AT_ONCE);
  return {
    alone: async () => (await least(ALONE, 1)).each,
    async many() {
      const read = cpuMeter({ mongodb: stage.service_pids.mongodb });
      const { each, elapsed_ms, runs } = await least(MANY, AT_ONCE);
      const mongodb_cpu = (read().mongodb ?? Number.NaN) / runs;
      return { per_second: (each.length / elapsed_ms) * 1000, mongodb_cpu };
    },
  };
}

function withFloors(rows: CpuMeasurements, floors: number[]): CpuMeasurements {
  return { ...rows, 'cpu-mongodb': { ...rows['cpu-mongodb'], floors } };
}

/** The parts of the floor by themselves. */
function partRows(rounds: LeastTurn[][]): Record<keyof typeof PART_ROWS, Measurement> {
  const row = (part: keyof LeastTurn): Measurement => {
    const singles = rounds.flatMap((round) => round.map((least) => least[part]));
    return {
      rounds: rounds.map((round) => median(round.map((least) => least[part]))),
      singles,
      n: singles.length,
      errors: [],
    };
  };
  return { 'one-write': row('write'), 'one-hop': row('hop'), 'one-model-call': row('model') };
}

function latencyRows(alone: { turns: TurnsResult; least: LeastTurn[] }[]): Record<string, Measurement> {
  const found = alone.map(({ turns }) => turns);
  const total = found.flatMap((round) => round.total_ms);
  const toModel = found.flatMap((round) => round.to_model_ms);
  const common = { n: total.length, errors: found.flatMap((round) => round.errors) };
  const floors = (part: keyof LeastTurn, share: number) =>
    alone.map(({ least }) =>
      percentile(
        least.map((each) => each[part]),
        share,
      ),
    );
  return {
    latency: {
      ...common,
      rounds: found.map((round) => median(round.total_ms)),
      singles: total,
      floors: floors('total', 0.5),
    },
    'to-model': {
      ...common,
      rounds: found.map((round) => median(round.to_model_ms)),
      singles: toModel,
      floors: floors('to_model', 0.5),
    },
    'to-model-p99': {
      ...common,
      rounds: found.map((round) => percentile(round.to_model_ms, 0.99)),
      singles: toModel,
      floors: floors('to_model', 0.99),
    },
  };
}
