import { setTimeout as delay } from 'node:timers/promises';

/** Knows what is under way, so that a stop can let it finish. */
export interface InFlight {
  /** Run it, unless stopping: then it is refused, and Slack delivers it again elsewhere. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Follow something that was begun already; its failure is reported to `onError`. */
  follow(work: Promise<unknown>, onError: (error: unknown) => void): void;
  /**
   * Refuse what comes from the first moment on in which nothing waits for its acknowledgement, at the latest after
   * `patience_ms`; resolves then.
   */
  close(patience_ms: number): Promise<void>;
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

export function createInFlight(): InFlight {
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

  /** Whatever of it ends first, and what begins meanwhile, until nothing is left or the patience is over. */
  async function emptied(set: ReadonlySet<Promise<unknown>>, patience_ms: number): Promise<void> {
    const patience = new AbortController();
    const late = delay(patience_ms, undefined, { signal: patience.signal }).catch(() => undefined);
    let waiting = true;
    void late.then(() => {
      waiting = false;
    });
    while (waiting && set.size > 0) await Promise.race([Promise.allSettled(set), late]);
    patience.abort();
  }

  return {
    run(work) {
      return stopping ? Promise.reject(new StoppingError()) : track(work(), underway, unacknowledged);
    },
    follow(work, onError) {
      void track(work.catch(onError), underway);
    },
    async close(patience_ms) {
      await emptied(unacknowledged, patience_ms);
      stopping = true;
    },
    async drain(patience_ms) {
      stopping = true;
      await emptied(underway, patience_ms);
      return underway.size;
    },
    open() {
      stopping = false;
    },
  };
}
