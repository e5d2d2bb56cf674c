import { loadConfig } from '../../../src/config.ts';
import { sumOf } from './matrix-page.ts';

/** With what intervals the kill matrix runs, and what it holds each step to. */
interface Timings {
  lease_ms: number;
  sweep_ms: number;
  retry_ms: number;
  /** Recoveries are held to seconds, and whoever goes on runs before the death. Else to sweeps, which a busy machine does not change. */
  by_the_clock: boolean;
}

/** `npm run kill-matrix` asks for the product's own. Else a lease longer than a busy machine leaves a living process waiting. */
export const timings: Timings =
  process.env['KILL_MATRIX'] === 'defaults'
    ? { ...loadConfig({}).timings, by_the_clock: true }
    : {
        lease_ms: Number(process.env['DECKHAND_LEASE_MS'] ?? 2_000),
        sweep_ms: Number(process.env['DECKHAND_SWEEP_MS'] ?? 200),
        retry_ms: 50,
        by_the_clock: false,
      };

/** Sweeps that may go by beyond those in which a loss is noticed, while what they found is under way to its effect. */
const SPARE_SWEEPS = 4;
/** The same by the clock, which also counts what a machine of two cores needs for it. */
const SPARE_MS = 1_000;

/** In how many milliseconds a loss is noticed that these settings bound, as `lease + sweep`. */
function mostMs(noticed_after: string): number {
  return sumOf(noticed_after, { lease: timings.lease_ms, sweep: timings.sweep_ms });
}

/** By the clock, everything has ended as it should so long after the death. */
const REST_MS = 5_000;

/** What a recovery is held to: sweeps of whoever goes on, and by the clock milliseconds too. */
export function boundsOf(noticed_after: string): { sweeps: number; took_ms: number; rest_ms: number } {
  const ms = mostMs(noticed_after);
  return {
    sweeps: Math.ceil(ms / timings.sweep_ms) + SPARE_SWEEPS,
    took_ms: timings.by_the_clock ? ms + SPARE_MS : Number.POSITIVE_INFINITY,
    rest_ms: timings.by_the_clock ? REST_MS : Number.POSITIVE_INFINITY,
  };
}
