import type { Benchmark } from '../benchmark.ts';
import { seed, type Template } from '../seed.ts';
import type { House } from '../stage.ts';
import { median, rounded } from '../statistics.ts';
import { madeTemplate, repeated, turnsOn } from './rounds.ts';

const SHORT = 100;
const LONG = 10_000;
/** Sessions of each length per round, and turns of each that the worker knows. */
const SESSIONS = 5;
const WARM_TURNS = 4;
/** Turns of other sessions before, in which V8 makes fast what a turn does whatever the session's length. */
const WARM_UP = 300;

/** How much longer the turn of a long session takes. */
export const longSession: Benchmark = {
  name: 'long-session',
  about: `turns of sessions with ${LONG} events beside ones with ${SHORT}`,
  rounds: 3,
  rows: {
    cold: { unit: 'x', better: 'lower', target: 1.5 },
    warm: { unit: 'x', better: 'lower', target: 1.5 },
  },
  async run(stage, { rounds, say }) {
    await using house = await stage.house();
    const gateway = await house.start('gateway');
    let worker = await house.start('worker');
    const prepare = turnsOn(stage, house, gateway);
    say('warming up');
    await (await prepare(1, 50))();
    const template = await madeTemplate(house, prepare);

    const measured = async (events: number) => {
      const sessions = await seedOf(house, template, events);
      const turns = async (per_session = 1) => (await prepare(1, SESSIONS * per_session, { sessions, per_session }))();
      // Gives the copies what the product would have made as they grew: a checkpoint. Then another worker takes over.
      const grown = await turns();
      await worker.stop();
      worker = await house.start('worker');
      await (await prepare(1, WARM_UP))();
      return { cold: await turns(), warm: await turns(WARM_TURNS), errors: grown.errors };
    };
    const found = await repeated(rounds, async (round) => {
      say(`round ${round + 1} of ${rounds}: ${SESSIONS} sessions of each length`);
      return { short: await measured(SHORT), long: await measured(LONG) };
    });
    const row = (state: 'cold' | 'warm', per_session: number) => ({
      rounds: found.map(({ short, long }) => median(long[state].total_ms) / median(short[state].total_ms)),
      n: 2 * SESSIONS * per_session * rounds,
      errors: found.flatMap(({ short, long }) => [short, long].flatMap((one) => [...one.errors, ...one[state].errors])),
    });
    const ms = (length: 'short' | 'long', state: 'cold' | 'warm') =>
      rounded(median(found.flatMap((one) => one[length][state].total_ms)));
    return {
      rows: { cold: row('cold', 1), warm: row('warm', WARM_TURNS) },
      notes: [
        `Turn of a session with ${SHORT} and with ${LONG} events, p50: ` +
          `new to the worker ${ms('short', 'cold')} and ${ms('long', 'cold')} ms, ` +
          `known to it ${ms('short', 'warm')} and ${ms('long', 'warm')} ms`,
      ],
    };
  },
};

function seedOf(house: House, template: Template, events: number): Promise<string[]> {
  const times = Math.round(events / template.events.length);
  return seed(house.mongo.db(house.database), template, { sessions: SESSIONS, times });
}
