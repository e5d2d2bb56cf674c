/** Counts what is under way, so that a stop can let it finish. */
export interface InFlight {
  /** Run it, unless stopping: then it is refused, and Slack delivers it again elsewhere. */
  run<T>(work: () => Promise<T>): Promise<T>;
  /** Follow something that was begun already; its failure is reported to `onError`. */
  follow(work: Promise<unknown>, onError: (error: unknown) => void): void;
  /** Refuse what comes from now on; resolves when nothing is under way. */
  drain(): Promise<void>;
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
    async drain() {
      stopping = true;
      while (underway.size > 0) await Promise.allSettled(underway);
    },
    open() {
      stopping = false;
    },
  };
}
