/** A lease that is kept alive. `signal` aborts when it is lost: whatever runs under it must stop and append nothing. */
export interface HeldLease<Lease> extends Disposable {
  readonly lease: Lease;
  readonly signal: AbortSignal;
  /**
   * Whether it is held at this very moment. A process that was stopped for a while goes on with whatever it was about to
   * do before its timers, and so the signal, can tell it that its time is over.
   */
  isHeld(): boolean;
  /** Resolves as soon as it is held or lost, or nobody waits for that any more: at once, unless it is in doubt. */
  settled(unless: AbortSignal): Promise<void>;
}

/** Shares of the lease's time: until it is renewed, and until a renewal that failed is tried again. */
const RENEW_AFTER = 1 / 3;
const AGAIN_AFTER = 1 / 12;
/** Between two renewals, at least, in milliseconds. */
const LEAST_MS = 10;
/** What is renewed together waits for so much of the lease: with `AGAIN_AFTER` it leaves several tries for one that fails. */
const GATHER = 1 / 40;
/** However long the lease is: a process that stops waits for it. */
const GATHER_MS = 100;

/** How long a renewal may wait for others of the same process, to go with them, in milliseconds. */
export function gatherFor(ttl_ms: number): number {
  return Math.min(GATHER_MS, GATHER * ttl_ms);
}

export interface HoldOptions<Head> {
  /** Told where the log stands with every renewal. */
  onHead?: (head: Head) => void;
  /** When the lease was asked for, by `now`: it may run from then on. The moment of the call by default. */
  since?: number;
  /**
   * Whether whatever runs under the lease may go on while nobody can say if it is still held: it may while it has no effect
   * but appends, which the log refuses when somebody else has the lease. Never, by default.
   */
  mayWait?: () => boolean;
  /** In milliseconds. Not `Date.now`: a machine's clock that is set must neither end a lease nor lengthen it. */
  now?: () => number;
}

/**
 * Keep a lease alive, renewing it three times per `ttl_ms`; null says that somebody else has it. A renewal that fails is
 * tried again until the lease would have run out by this process's own clock; then it counts as lost, because the database
 * may say so to somebody else.
 *
 * A process with too much to do hears late that its lease was renewed. Were the lease lost with that, its work would be
 * done once more, which is more to do: so when it has run out and `mayWait`, the lease is in doubt while a renewal is under
 * way, for up to `ttl_ms` after each answer. It is not held then, nor lost, unless the database says so.
 * Disposing stops the renewals; it does not give the lease back.
 */
export function holdLease<Lease, Head>(
  log: { renew(lease: Lease, ttl_ms: number): Promise<Head | null> },
  lease: Lease,
  ttl_ms: number,
  options: HoldOptions<Head> = {},
): HeldLease<Lease> {
  const { onHead = () => undefined, mayWait = () => false, now = () => performance.now() } = options;
  const lost = new AbortController();
  let next: NodeJS.Timeout | undefined;
  let end: NodeJS.Timeout | undefined;
  let validUntil = 0;
  let isAsking = false;
  let hasFailed = false;
  let done = false;
  /** As the signal has it, which is asked word by word and does not answer as cheaply. */
  let isLost = false;
  let waiting: Array<() => void> = [];

  function settle(): void {
    for (const resolve of waiting) resolve();
    waiting = [];
  }

  function stop(): void {
    done = true;
    clearTimeout(next);
    clearTimeout(end);
    settle();
  }

  function lose(reason: string): void {
    stop();
    isLost = true;
    lost.abort(new Error(reason));
  }

  function ranOut(): void {
    lose('The lease ran out before it could be renewed');
  }

  function ends(): void {
    // Timers may be a moment early.
    if (now() < validUntil) return validFrom(validUntil - ttl_ms);
    if (!mayWait() || (hasFailed && !isAsking)) return ranOut();
    if (!isAsking) {
      clearTimeout(next);
      void renew();
    }
    end = setTimeout(ranOut, ttl_ms);
  }

  function validFrom(started: number): void {
    validUntil = started + ttl_ms;
    clearTimeout(end);
    // A timer of its own, because a renewal under way may hang with the database.
    end = setTimeout(ends, Math.max(0, Math.ceil(validUntil - now())));
  }

  function renewAt(due: number): void {
    next = setTimeout(() => void renew(), Math.max(LEAST_MS, due - now()));
  }

  async function renew(): Promise<void> {
    const started = now();
    // This process was stopped meanwhile, or is late with everything.
    if (started >= validUntil && !mayWait()) return ranOut();
    isAsking = true;
    const head = await log.renew(lease, ttl_ms).catch(() => undefined);
    isAsking = false;
    hasFailed = head === undefined;
    if (done) return;
    if (head === null) return lose('The lease was taken over');
    if (head === undefined) return now() < validUntil ? renewAt(now() + ttl_ms * AGAIN_AFTER) : ranOut();
    validFrom(started);
    if (now() < validUntil) {
      // From when it was asked for: an answer that was long on its way leaves the less time for the next.
      renewAt(started + ttl_ms * RENEW_AFTER);
      settle();
    } else {
      // Told too late for it to count; but nobody else had it then.
      void renew();
    }
    onHead(head);
  }

  const { since = now() } = options;
  validFrom(since);
  renewAt(since + ttl_ms * RENEW_AFTER);
  return {
    lease,
    signal: lost.signal,
    isHeld() {
      if (!done && now() >= validUntil && !mayWait()) ranOut();
      return !isLost && now() < validUntil;
    },
    settled(unless) {
      if (done || now() < validUntil || unless.aborted) return Promise.resolve();
      return new Promise((resolve) => {
        waiting.push(resolve);
        unless.addEventListener('abort', () => resolve(), { once: true });
      });
    },
    [Symbol.dispose]: stop,
  };
}
