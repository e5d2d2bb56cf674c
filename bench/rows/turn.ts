import type { Benchmark } from '../benchmark.ts';
import { allocations, CPU_ROWS, type CpuMeasurements, cpuCosts, stages, TRAFFIC_ROWS, traffic } from '../cost.ts';
import type { LeastTurn } from '../load/floors.ts';
import type { TurnsResult } from '../load/turns.ts';
import { cpuMeter } from '../processes/usage.ts';
import { profiled } from '../profile.ts';
import type { Measurement } from '../row.ts';
import type { House, Stage } from '../stage.ts';
import { median, percentile, rounded } from '../statistics.ts';
import { AT_ONCE, addressesOf, MANY, repeated, turnsOn, turnsPerSecond } from './rounds.ts';

const ALONE = 100;
/** V8 goes on making a turn's code faster for thousands of turns: what is measured is a service that has run for a minute. */
const WARM_UP = 5 * MANY;
/** Turns whose commands are counted: apart from the timed ones, which this would slow down. */
const COUNTED = 100;

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
  },
  async run(stage, { rounds, profile_dir, say }) {
    await using house = await stage.house();
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const prepare = turnsOn(stage, house, gateway);

    say(`warming up: ${WARM_UP} turns`);
    await (await prepare(AT_ONCE, WARM_UP))();
    say(`${rounds} rounds of ${ALONE} turns, one at a time`);
    const alone = await repeated(rounds, async () => (await prepare(1, ALONE))());
    say(`${rounds} rounds of ${MANY} turns, ${AT_ONCE} at a time`);
    const costs = cpuCosts(stage, { gateway, worker });
    const { result: many, notes } = await profiled([gateway, worker], profile_dir, () =>
      repeated(rounds, async () => costs.during(await prepare(AT_ONCE, MANY))),
    );
    say(`counting commands and bytes of ${COUNTED} turns`);
    const counted = await traffic([gateway, worker], await prepare(1, COUNTED));
    say(`watching the steps of ${COUNTED} turns`);
    const steps = await stages([gateway, worker], await prepare(1, COUNTED));
    say(`looking at what ${COUNTED} turns allocate`);
    const allocated = await allocations([gateway, worker], await prepare(1, COUNTED));
    say('floor: the journaled writes, the hop and the model call of a turn, and nothing else');
    const floor = await floors(stage, house);

    return {
      rows: {
        ...latencyRows(alone, floor),
        throughput: {
          rounds: many.map(turnsPerSecond),
          singles: many.flatMap((round) => round.total_ms),
          floor: floor.throughput,
          n: MANY * rounds,
          errors: many.flatMap((round) => round.errors),
        },
        ...withFloor(costs.rows(), floor.mongodb_cpu),
        ...counted.rows,
      },
      notes: [floor.note, steps, ...allocated, ...counted.notes, ...notes],
    };
  },
};

async function floors(stage: Stage, house: House) {
  const addresses = addressesOf(stage, house);
  const alone = await stage.load.call('leastTurns', { ...addresses, count: 300, concurrency: 1 });
  const read = cpuMeter({ mongodb: stage.service_pids.mongodb });
  const many = await stage.load.call('leastTurns', { ...addresses, count: 2000, concurrency: AT_ONCE });
  const mongodb_cpu = (read().mongodb ?? Number.NaN) / many.runs;
  const ms = (part: keyof LeastTurn, share = 0.5) =>
    percentile(
      alone.each.map((least) => least[part]),
      share,
    );
  const shown = (part: keyof LeastTurn) => `${rounded(ms(part))} ms`;
  return {
    latency: ms('total'),
    to_model: ms('to_model'),
    to_model_p99: ms('to_model', 0.99),
    throughput: (many.each.length / many.elapsed_ms) * 1000,
    mongodb_cpu,
    note:
      `Of the floor of a turn alone (three writes, a hop and a call), p50: one journaled write ${shown('write')}, ` +
      `one hop through BullMQ ${shown('hop')}, one call of the stand-in ${shown('model')}`,
  };
}

function withFloor(rows: CpuMeasurements, floor: number): CpuMeasurements {
  return { ...rows, 'cpu-mongodb': { ...rows['cpu-mongodb'], floor } };
}

function latencyRows(
  alone: TurnsResult[],
  floor: { latency: number; to_model: number; to_model_p99: number },
): Record<string, Measurement> {
  const toModel = alone.flatMap((round) => round.to_model_ms);
  const total = alone.flatMap((round) => round.total_ms);
  const common = { n: total.length, errors: alone.flatMap((round) => round.errors) };
  return {
    latency: {
      ...common,
      rounds: alone.map((round) => median(round.total_ms)),
      singles: total,
      floor: floor.latency,
    },
    'to-model': {
      ...common,
      rounds: alone.map((round) => median(round.to_model_ms)),
      singles: toModel,
      floor: floor.to_model,
    },
    'to-model-p99': {
      ...common,
      rounds: alone.map((round) => percentile(round.to_model_ms, 0.99)),
      singles: toModel,
      floor: floor.to_model_p99,
    },
  };
}
