import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { holdLease } from '../../src/session/lease.ts';
import type { LogHead } from '../../src/session/log.ts';
import { cases } from '../support/cases.ts';

const TTL_MS = 3_000;
const LEASE = { workspace_id: 'wrkspc_default', session_id: 'sesn_1', token: 3, holder: 'wkr_1' };
const HEAD: LogHead = { seq: 7, status: 'running', stop_reason: null, owed: true, lease_token: 3 };

/** A renewal as the holder and the database see it. Times in milliseconds. */
const renewal = fc.record({
  /** Until it has its effect, and from then until its answer is there. */
  there: fc.nat(TTL_MS),
  back: fc.nat(TTL_MS),
  outcome: fc.constantFrom('renewed', 'renewed', 'renewed', 'failed', 'answer_lost', 'never_answered'),
});
/** Time that passes, and by how much somebody sets this machine's clock meanwhile. */
const stretch = fc.record({ ms: fc.nat(2 * TTL_MS), set_by: fc.constantFrom(0, 0, 3_600_000, -3_600_000) });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('a lease is never believed longer than the database gives it, nor given up sooner, whatever the clock is set to', async () => {
  const mayWait = fc.boolean();
  await fc.assert(
    fc.asyncProperty(
      fc.infiniteStream(renewal),
      fc.array(stretch, { maxLength: 12 }),
      mayWait,
      async (renewals, stretches, waits) => {
        const begun = performance.now();
        /** Until when the database keeps it, and until when the holder may know so: from when it asked. */
        let kept = begun + TTL_MS;
        let known = begun + TTL_MS;

        async function renew(): Promise<LogHead | null> {
          const asked = performance.now();
          const { there, back, outcome } = renewals.next().value ?? { there: 0, back: 0, outcome: 'failed' };
          await after(there);
          if (outcome !== 'failed') {
            // Somebody else may have it by now.
            if (performance.now() >= kept) return null;
            kept = performance.now() + TTL_MS;
          }
          if (outcome === 'never_answered') return new Promise(() => undefined);
          await after(back);
          if (outcome !== 'renewed') throw new Error('the connection broke');
          if (performance.now() < known) known = Math.max(known, asked + TTL_MS);
          return HEAD;
        }

        const held = holdLease({ renew }, LEASE, TTL_MS, { mayWait: () => waits });
        let lostAt = Infinity;
        held.signal.addEventListener('abort', () => {
          lostAt = performance.now();
        });
        for (const { ms, set_by } of stretches) {
          await vi.advanceTimersByTimeAsync(ms);
          vi.setSystemTime(Date.now() + set_by);
          const now = performance.now();
          if (now < known) expect(held.signal.aborted).toBe(false);
          if (now > kept) expect(held.isHeld()).toBe(false);
          // Who may wait is in doubt for a term at most after each answer, which comes within two terms or not at all.
          if (now > kept + (waits ? 3 * TTL_MS : 0)) expect(held.signal.aborted).toBe(true);
          if (lostAt < Infinity && !waits) expect(lostAt).toBeLessThanOrEqual(kept);
        }
        held[Symbol.dispose]();
      },
    ),
    cases(300),
  );
});

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
