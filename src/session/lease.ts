/** A lease that is kept alive. `signal` aborts when it is lost: whatever runs under it must stop and append nothing. */
export interface HeldLease<Lease> extends Disposable {
  readonly lease: Lease;
  readonly signal: AbortSignal;
  /**
   * Whether it is held at this very moment. A process that was stopped for a while goes on with whatever it was about to
   * do before its timers, and so the signal, can tell it that its time is over.
   */
  isHeld(): boolean;
}

/** Shares of the lease's time: until it is renewed, and until a renewal that failed is tried again. */
const RENEW_AFTER = 1 / 3;
const AGAIN_AFTER = 1 / 12;

/**
 * Keep a lease alive, renewing it three times per `ttl_ms`; null says that somebody else has it. A renewal that fails is tried again until the lease would
 * have run out by this process's own clock; then it counts as lost, because the database may say so to somebody else.
 * Disposing stops the renewals; it does not give the lease back.
 */
export function holdLease<Lease, Head>(
  log: { renew(lease: Lease, ttl_ms: number): Promise<Head | null> },
  lease: Lease,
  ttl_ms: number,
  onHead: (head: Head) => void = () => undefined,
  // Not `Date.now`: a machine's clock that is set must neither end a lease nor lengthen it.
  now: () => number = () => performance.now(),
): HeldLease<Lease> {
  const lost = new AbortController();
  let next: NodeJS.Timeout | undefined;
  let end: NodeJS.Timeout | undefined;
  let validUntil = 0;
  let done = false;

  function stop(): void {
    done = true;
    clearTimeout(next);
    clearTimeout(end);
  }

  function lose(reason: string): void {
    stop();
    lost.abort(new Error(reason));
  }

  function ranOut(): void {
    lose('The lease ran out before it could be renewed');
  }

  function validFrom(started: number): void {
    validUntil = started + ttl_ms;
    clearTimeout(end);
    // A timer of its own, because a renewal under way may hang with the database.
    end = setTimeout(ranOut, validUntil - now());
  }

  function renewIn(share: number): void {
    next = setTimeout(() => void renew(), Math.max(10, ttl_ms * share));
  }

  async function renew(): Promise<void> {
    const started = now();
    // This process was stopped meanwhile.
    if (started >= validUntil) return ranOut();
    try {
      const head = await log.renew(lease, ttl_ms);
      if (done) return;
      if (head === null) return lose('The lease was taken over');
      validFrom(started);
      renewIn(RENEW_AFTER);
      onHead(head);
    } catch {
      if (!done) renewIn(AGAIN_AFTER);
    }
  }

  validFrom(now());
  renewIn(RENEW_AFTER);
  return {
    lease,
    signal: lost.signal,
    isHeld() {
      if (!done && now() >= validUntil) ranOut();
      return !lost.signal.aborted;
    },
    [Symbol.dispose]: stop,
  };
}
