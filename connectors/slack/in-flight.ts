import { setTimeout as delay } from 'node:timers/promises';

/** Knows what is under way, so that a stop can let it finish. */
export interface InFlight {
  /** Run it, unless stopping: then it is refused, and Slack delivers it again elsewhere. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Follow something that was begun already; its failure is reported to `onError`. */
  follow(work: Promise<unknown>, onError: (error: unknown) => void): void;
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
  let stopping = true;

  function track<T>(work: Promise<T>): Promise<T> {
    underway.add(work);
    const done = () => underway.delete(work);
    work.then(done, done);
    return work;
  }

  return {
    run(work) {
      return stopping ? Promise.reject(new StoppingError()) : track(work());
    },
    follow(work, onError) {
      void track(work.catch(onError));
    },
    async drain(patience_ms) {
      stopping = true;
      const patience = new AbortController();
      const late = delay(patience_ms, undefined, { signal: patience.signal }).catch(() => undefined);
      let waiting = true;
      void late.then(() => {
        waiting = false;
      });
      while (waiting && underway.size > 0) await Promise.race([Promise.allSettled(underway), late]);
      patience.abort();
      return underway.size;
    },
    open() {
      stopping = false;
    },
  };
}
