/** How many times longer than by default: `DECKHAND_PROPERTY=50 npx vitest run test/property`. */
const FACTOR = Number(process.env['DECKHAND_PROPERTY'] ?? 1);

/**
 * How often a property is tried. A failure prints its seed and path: with `DECKHAND_PROPERTY_SEED` and
 * `DECKHAND_PROPERTY_PATH` that case is tried again, and what is shrunk to it.
 */
export function tries(byDefault: number): { numRuns: number; seed?: number; path?: string } {
  const { DECKHAND_PROPERTY_SEED: seed, DECKHAND_PROPERTY_PATH: path } = process.env;
  return {
    numRuns: Math.max(1, Math.round(byDefault * FACTOR)),
    ...(seed === undefined ? {} : { seed: Number(seed) }),
    ...(path === undefined ? {} : { path }),
  };
}

/** For a test of `tries(n)`, in milliseconds: many times what it takes, because a failure is shrunk in it too. */
export const PROPERTY_TIMEOUT_MS = 300_000 * Math.max(1, FACTOR);
