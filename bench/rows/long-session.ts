import type { Benchmark } from '../benchmark.ts';
import type { TurnsResult } from '../load/turns.ts';
import type { Measurement } from '../row.ts';
import { seed } from '../seed.ts';
import { median, rounded } from '../statistics.ts';
import { addressesOf, madeTemplate, repeated, turnsOn } from './rounds.ts';

const LENGTHS = { short: 100, long: 10_000 };
type Length = keyof typeof LENGTHS;
/** Sessions of each length, and turns of each that the worker knows, per round. */
const SESSIONS = 20;
const WARM_TURNS = 2;
/** So many sessions of one length follow each other. */
const BLOCK = 5;
/** Turns of other sessions before, in which V8 makes fast what a turn does whatever the session's length. */
const WARM_UP = 300;

/**
 * How much longer the turn of a long session takes. Some of one length are followed by as many of the other, so that both have
 * the same machine; several, because what a turn leaves for afterwards is in the next one's time.
 */
export const longSession: Benchmark = {
  name: 'long-session',
  about: `turns of sessions with ${LENGTHS.long} events beside ones with ${LENGTHS.short}`,
  rounds: 5,
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
    const db = house.mongo.db(house.database);

    const turnsOf = async (sessions: string[], per_session = 1) =>
      (await prepare(1, sessions.length * per_session, { sessions, per_session }))();
    // Gives the copies what the product would have made as they grew: a checkpoint.
    const grown = async (length: Length) => {
      const times = Math.round(LENGTHS[length] / template.events.length);
      const sessions = await seed(db, template, { sessions: SESSIONS, times });
      return { sessions, errors: (await turnsOf(sessions)).errors };
    };
    say(`making ${SESSIONS} sessions with ${LENGTHS.long} events`);
    const long = await grown('long');
    const found = await repeated(rounds, async (round) => {
      say(`round ${round + 1} of ${rounds}: ${SESSIONS} sessions of each length`);
      // New ones each time, because they grow.
      const short = await grown('short');
      const both = inBlocks(short.sessions, long.sessions);
      // Another worker, which has seen none of them.
      await worker.stop();
      worker = await house.start('worker');
      await (await prepare(1, WARM_UP))();
      const cold = byLength(await turnsOf(both), 1);
      const warm = byLength(await turnsOf(both, WARM_TURNS), WARM_TURNS);
      const { workspace_id } = template.session as unknown as { workspace_id: string };
      const lengths = { workspace_id, short: short.sessions, long: long.sessions, block: BLOCK };
      const least = await stage.load.call('leastOfLengths', { ...addressesOf(stage, house), ...lengths });
      return { cold, warm, least, errors: [...short.errors, ...cold.errors, ...warm.errors] };
    });

    const row = (state: 'cold' | 'warm'): Measurement => ({
      rounds: found.map((one) => median(one[state].long) / median(one[state].short)),
      floors: found.map(({ least }) => median(least.long[state]) / median(least.short[state])),
      n: found.reduce((sum, one) => sum + one[state].long.length + one[state].short.length, 0),
      errors: [...long.errors, ...found.flatMap(({ errors }) => errors)],
    });
    const ms = (of: (one: (typeof found)[number]) => number[]) => rounded(median(found.flatMap(of)));
    const said = (length: Length) => Math.round((found.at(-1)?.least[length].said ?? 0) / 1_000);
    const states = (['cold', 'warm'] as const).map(
      (state) =>
        `${state === 'cold' ? 'new to the worker' : 'known to it'} ${ms((one) => one[state].short)} and ` +
        `${ms((one) => one[state].long)} ms, the least ${ms(({ least }) => least.short[state])} and ` +
        `${ms(({ least }) => least.long[state])} ms`,
    );
    return {
      rows: { cold: row('cold'), warm: row('warm') },
      notes: [
        `Turn of a session with ${LENGTHS.short} and with ${LENGTHS.long} events, p50: ${states.join('; ')}. ` +
          `Each request has the whole conversation: ${said('short')} and ${said('long')} kB`,
      ],
    };
  },
};

function inBlocks(short: readonly string[], long: readonly string[]): string[] {
  const starts = short.flatMap((_session, index) => (index % BLOCK === 0 ? [index] : []));
  return starts.flatMap((from) => [...short.slice(from, from + BLOCK), ...long.slice(from, from + BLOCK)]);
}

/** Of sessions in such blocks, which took so many turns each. */
function byLength(
  { total_ms, errors }: TurnsResult,
  per_session: number,
): Record<Length, number[]> & { errors: string[] } {
  const isLong = (index: number) => Math.floor(index / (BLOCK * per_session)) % 2 === 1;
  return {
    short: total_ms.filter((_ms, index) => !isLong(index)),
    long: total_ms.filter((_ms, index) => isLong(index)),
    errors,
  };
}
