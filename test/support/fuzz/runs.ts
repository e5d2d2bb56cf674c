/** How many times longer than by default: `DECKHAND_FUZZ=50 npx vitest run test/fuzz`. */
const FACTOR = Number(process.env['DECKHAND_FUZZ'] ?? 1);

/** Cases of one property. fast-check prints the seed and the path of a failure; `DECKHAND_FUZZ_SEED` repeats it. */
export function runs(byDefault: number): { numRuns: number; seed?: number; verbose: boolean } {
  const seed = process.env['DECKHAND_FUZZ_SEED'];
  return {
    numRuns: Math.max(1, Math.round(byDefault * FACTOR)),
    // A failure that does not come back on its own: say what was tried before it was made smaller.
    verbose: FACTOR > 1,
    ...(seed === undefined ? {} : { seed: Number(seed) }),
  };
}

/** For a test of `runs(n)`, in milliseconds: what does not end by then hangs. */
export const FUZZ_TIMEOUT_MS = 600_000 * Math.max(1, FACTOR);
