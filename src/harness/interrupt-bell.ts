import { type Hints, workerChannel } from '../session/hints.ts';

/** A turn's ear. Rings that came before `onInterrupt` was called are told then. */
export interface Listening extends Disposable {
  onInterrupt(look: () => void): void;
}

/**
 * Tells running turns of an interrupt; any other input they take up before they ask Claude again. One subscription serves
 * all turns of a worker, because an append knows who the session's brain is. A ring that is lost costs at most a third of the lease, whose renewal looks too; so a turn neither
 * waits nor fails for want of Redis.
 */
export interface InterruptBell {
  listen(session_id: string): Listening;
  ring(session_id: string): void;
  /** Let the hints for this worker ring it. The result ends that. */
  hear(hints: Pick<Hints, 'subscribe'>, worker_id: string): Promise<() => Promise<void>>;
}

export function createInterruptBell(): InterruptBell {
  const ears = new Map<string, Set<() => void>>();

  function ring(session_id: string): void {
    for (const ear of ears.get(session_id) ?? []) ear();
  }

  return {
    ring,
    hear: (hints, worker_id) => hints.subscribe(workerChannel(worker_id), ring),

    listen(session_id) {
      let rang = false;
      let look: (() => void) | null = null;
      const ear = (): void => {
        rang = true;
        look?.();
      };
      const known = ears.get(session_id);
      if (known !== undefined) known.add(ear);
      else ears.set(session_id, new Set([ear]));
      return {
        onInterrupt(called) {
          look = called;
          if (rang) called();
        },
        [Symbol.dispose]() {
          const rest = ears.get(session_id);
          rest?.delete(ear);
          if (rest?.size === 0) ears.delete(session_id);
        },
      };
    },
  };
}
