/** How many times more cases than by default: `DECKHAND_CASES=50 npx vitest run test/fuzz`. */
const FACTOR = Number(process.env['DECKHAND_CASES'] ?? 1);

/** Whoever asks for more cases, looks for new ones. */
const IS_SEARCH = FACTOR !== 1;

/** What `npm test` tries is the same every time: it turns red because of a change, and not by chance. */
const SEED = 20_261_122;

interface Cases {
  numRuns: number;
  seed?: number;
  path?: string;
  verbose: boolean;
}

/**
 * How often a property is tried. A failure prints its seed and path: with `DECKHAND_SEED` and `DECKHAND_PATH` that case is
 * tried again, and what is shrunk to it.
 */
export function cases(byDefault = 100): Cases {
  const { DECKHAND_SEED: seed, DECKHAND_PATH: path } = process.env;
  return {
    numRuns: Math.max(1, Math.round(byDefault * FACTOR)),
    // A failure that does not come back on its own: say what was tried before it was made smaller.
    verbose: IS_SEARCH,
    ...(seed !== undefined ? { seed: Number(seed) } : IS_SEARCH ? {} : { seed: SEED }),
    ...(path === undefined ? {} : { path }),
  };
}

/** For a test of many cases, in milliseconds: many times what it takes, because a failure is shrunk in it too. */
export const CASES_TIMEOUT_MS = 600_000 * Math.max(1, FACTOR);
