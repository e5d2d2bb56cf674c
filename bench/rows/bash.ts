import type { Benchmark } from '../benchmark.ts';
import { stages } from '../cost.ts';
import type { LeastCall } from '../load/floors.ts';
import { median, rounded } from '../statistics.ts';
import { addressesOf, repeated, turnsOn } from './rounds.ts';

/** Turns of one round, each in a session of its own, with a sandbox of its own: half of them with one call, half with two. */
const TURNS = 32;
/** The first take half as long again. */
const WARM_UP = 256;
/**
 * Which turn has how many calls: in the order of Thue and Morse, and in every other round the other way round, so that neither
 * kind comes when the machine is quicker, nor more often after what the worker does every so many sandboxes.
 */
const CALLS = Array.from({ length: TURNS }, (_, turn) =>
  turn.toString(2).replaceAll('0', '').length % 2 === 0 ? 1 : 2,
);
/** Runs of each floor in one round. */
const FLOORS = 50;

/** What it takes to have hands: a turn with the first command of its session, and how much a second command adds. */
export const bash: Benchmark = {
  name: 'bash',
  about: 'turns with one and with two bash calls, isolated, each in a new session',
  rounds: 6,
  rows: {
    first: { unit: 'ms', better: 'lower', target: 60 },
    second: { unit: 'ms', better: 'lower', target: 12 },
  },
  async run(stage, { rounds, say }) {
    await using house = await stage.house();
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const prepare = turnsOn(stage, house, gateway);
    const ready = (turns: number, calls: number[]) =>
      prepare(1, turns, { per_session: 1, directives: calls.map((count) => ({ calls: count })) });
    say(`warming up: ${WARM_UP} turns`);
    await (await ready(WARM_UP, CALLS))();
    say(`${rounds} rounds of ${TURNS} turns, half of them with one call and half with two`);
    say(
      'with their floors: bare bwrap; a call to a shell in it, with the model call and the journaled writes of a call',
    );
    const least = { ...addressesOf(stage, house), count: FLOORS };
    const callsOf = (round: number) => CALLS.map((count) => (round % 2 === 0 ? count : 3 - count));
    const found = await repeated(rounds, async (round) => ({
      turns: await (await ready(TURNS, callsOf(round)))(),
      bwrap: await stage.load.call('bareBwrap', { count: FLOORS }),
      call: await stage.load.call('leastCalls', least),
    }));
    say('watching the steps of such turns');
    const steps = await stages([gateway, worker], await ready(TURNS, [2]));
    const ofCalls = (part: keyof LeastCall) => found.map(({ call }) => median(call.each.map((each) => each[part])));
    const shown = (part: keyof LeastCall) => `${rounded(median(ofCalls(part)))} ms`;
    const n = found.reduce((sum, { turns }) => sum + turns.total_ms.length, 0);
    const errors = found.flatMap(({ turns }) => turns.errors);
    const took = found.map(({ turns }, round) => ({
      one: turns.total_ms.filter((_, turn) => callsOf(round)[turn] === 1),
      two: turns.total_ms.filter((_, turn) => callsOf(round)[turn] === 2),
    }));
    return {
      rows: {
        first: {
          rounds: took.map(({ one }) => median(one)),
          singles: took.flatMap(({ one }) => one),
          floors: found.map(({ bwrap }) => median(bwrap.each)),
          n: took.reduce((sum, { one }) => sum + one.length, 0),
          errors,
        },
        second: {
          rounds: took.map(({ one, two }) => median(two) - median(one)),
          floors: ofCalls('total'),
          n,
          errors,
        },
      },
      notes: [
        `Of the floor of a second call (a call of the stand-in, two writes and a command), p50: ` +
          `one call of the stand-in ${shown('model')}, one journaled write ${shown('write')}, ` +
          `one command in a bare shell ${shown('command')}`,
        steps,
      ],
    };
  },
};
