import { setTimeout as delay } from 'node:timers/promises';

/** Knows what is under way, so that a stop can let it finish. */
export interface InFlight {
  /** Run it, unless stopping: then it is refused, and Slack delivers it again elsewhere. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Follow something that was begun already; its failure is reported to `onError`. */
  follow(work: Promise<unknown>, onError: (error: unknown) => void): void;
  /**
   * Refuse what comes from the first moment on in which nothing waits for its acknowledgement, hang up, so that Slack sends
   * the rest elsewhere, and let what was kept finish. Resolves with what is still under way after `patience_ms`. Each of these
   * may take half of the time that is left when it begins, the last one all of it: what hangs takes nobody else's.
   */
  leave(patience_ms: number, hangUp: () => Promise<void>): Promise<number>;
  /** Refuse what comes from now on; resolves with what is still under way after `patience_ms`, at once when that is nothing. */
  drain(patience_ms: number): Promise<number>;
  /** Take work again. */
  open(): void;
}

export class StoppingError extends Error {
  constructor() {
    super('The Slack connector is stopping; Slack will deliver this again');
    this.name = 'StoppingError';
  }
}

/** A test's clock. */
interface Clock {
  /** Milliseconds since some moment. */
  now(): number;
  /** Resolves after `ms`, or when aborted. */
  wait(ms: number, signal: AbortSignal): Promise<unknown>;
}

const REAL: Clock = {
  now: () => performance.now(),
  wait: (ms, signal) => delay(ms, undefined, { signal }).catch(() => undefined),
};

export function createInFlight(clock: Clock = REAL): InFlight {
  const underway = new Set<Promise<unknown>>();
  /** Of these, what Slack waits for. */
  const unacknowledged = new Set<Promise<unknown>>();
  let stopping = true;

  function track<T>(work: Promise<T>, ...sets: Set<Promise<unknown>>[]): Promise<T> {
    for (const set of sets) set.add(work);
    const done = () => {
      for (const set of sets) set.delete(work);
    };
    work.then(done, done);
    return work;
  }

  /** Do it, for as long as the patience lasts; `isOver` says when that has ended. */
  async function patiently(
    patience_ms: number,
    work: (late: Promise<unknown>, isOver: () => boolean) => Promise<unknown>,
  ): Promise<void> {
    const done = new AbortController();
    let over = false;
    const late = clock.wait(patience_ms, done.signal).then(() => {
      over = true;
    });
    await Promise.race([work(late, () => over), late]).finally(() => done.abort());
  }

  /** Whatever of it ends first, and what begins meanwhile, until nothing is left or the patience is over. */
  function emptied(set: ReadonlySet<Promise<unknown>>, patience_ms: number): Promise<void> {
    return patiently(patience_ms, async (late, isOver) => {
      while (!isOver() && set.size > 0) await Promise.race([Promise.allSettled(set), late]);
    });
  }

  async function drain(patience_ms: number): Promise<number> {
    stopping = true;
    await emptied(underway, patience_ms);
    return underway.size;
  }

  return {
    run(work) {
      return stopping ? Promise.reject(new StoppingError()) : track(work(), underway, unacknowledged);
    },
    follow(work, onError) {
      void track(work.catch(onError), underway);
    },
    async leave(patience_ms, hangUp) {
      const until = clock.now() + patience_ms;
      const left = () => Math.max(0, until - clock.now());
      await emptied(unacknowledged, left() / 2);
      stopping = true;
      await patiently(left() / 2, hangUp);
      return drain(left());
    },
    drain,
    open() {
      stopping = false;
    },
  };
}
