import type { Benchmark } from '../benchmark.ts';
import { stages } from '../cost.ts';
import type { LeastCall } from '../load/floors.ts';
import { median, rounded } from '../statistics.ts';
import { addressesOf, repeated, turnsOn } from './rounds.ts';

/** Turns of one round, each in a session of its own, with a sandbox of its own. */
const TURNS = 15;
/** Runs of each floor in one round. */
const FLOORS = 50;

/** What it takes to have hands: a turn with the first command of its session, and how much a second command adds. */
export const bash: Benchmark = {
  name: 'bash',
  about: 'turns with one and with two bash calls, isolated, each in a new session',
  rounds: 3,
  rows: {
    first: { unit: 'ms', better: 'lower', target: 60 },
    second: { unit: 'ms', better: 'lower', target: 12 },
  },
  async run(stage, { rounds, say }) {
    await using house = await stage.house();
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const prepare = turnsOn(stage, house, gateway);
    const ready = (calls: number) => prepare(1, TURNS, { per_session: 1, directive: { calls } });
    const turns = async (calls: number) => (await ready(calls))();
    say('warming up');
    await turns(2);
    say(`${rounds} rounds of ${TURNS} turns with one call and ${TURNS} with two`);
    say(
      'with their floors: bare bwrap; a call to a shell in it, with the model call and the journaled writes of a call',
    );
    const least = { ...addressesOf(stage, house), count: FLOORS };
    const found = await repeated(rounds, async () => ({
      one: await turns(1),
      two: await turns(2),
      bwrap: await stage.load.call('bareBwrap', { count: FLOORS }),
      call: await stage.load.call('leastCalls', least),
    }));
    say('watching the steps of such turns');
    const steps = await stages([gateway, worker], await ready(2));
    const ofCalls = (part: keyof LeastCall) => found.map(({ call }) => median(call.each.map((each) => each[part])));
    const shown = (part: keyof LeastCall) => `${rounded(median(ofCalls(part)))} ms`;
    const n = found.reduce((sum, { one, two }) => sum + one.total_ms.length + two.total_ms.length, 0);
    const errors = found.flatMap(({ one, two }) => [...one.errors, ...two.errors]);
    return {
      rows: {
        first: {
          rounds: found.map(({ one }) => median(one.total_ms)),
          singles: found.flatMap(({ one }) => one.total_ms),
          floors: found.map(({ bwrap }) => median(bwrap.each)),
          n,
          errors,
        },
        second: {
          rounds: found.map(({ one, two }) => median(two.total_ms) - median(one.total_ms)),
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
