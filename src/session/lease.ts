import type { Lease, LogHead, SessionLog } from './log.ts';

/** A lease that is kept alive. `signal` aborts when it is lost: whatever runs under it must stop and append nothing. */
export interface HeldLease extends Disposable {
  readonly lease: Lease;
  readonly signal: AbortSignal;
}

/**
 * Keep a lease alive, renewing it three times per `ttl_ms`. A renewal that fails is tried again until the lease would
 * have run out by this process's own clock; then it counts as lost, because the database may say so to somebody else.
 * Disposing stops the renewals; it does not give the lease back.
 */
export function holdLease(
  log: Pick<SessionLog, 'renew'>,
  lease: Lease,
  ttl_ms: number,
  onHead: (head: LogHead) => void = () => undefined,
  now: () => number = Date.now,
): HeldLease {
  const lost = new AbortController();
  let validUntil = now() + ttl_ms;

  async function renew(): Promise<void> {
    const started = now();
    try {
      const head = await log.renew(lease, ttl_ms);
      if (head === null) {
        lost.abort(new Error('The lease was taken over'));
        return;
      }
      validUntil = started + ttl_ms;
      onHead(head);
    } catch (error) {
      if (now() >= validUntil) lost.abort(error);
    }
  }

  let busy = false;
  const timer = setInterval(
    () => {
      if (now() >= validUntil) lost.abort(new Error('The lease ran out before it could be renewed'));
      if (lost.signal.aborted) clearInterval(timer);
      else if (!busy) {
        busy = true;
        void renew().finally(() => {
          busy = false;
        });
      }
    },
    Math.max(10, ttl_ms / 3),
  );

  return {
    lease,
    signal: lost.signal,
    [Symbol.dispose]() {
      // A renewal under way may hang with the database; it changes nothing that matters, so nobody waits for it.
      clearInterval(timer);
    },
  };
}
