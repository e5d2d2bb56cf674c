import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { SessionLog, SessionRef } from './log.ts';

/** Somebody who has a log as far as hints brought it. */
export interface Watcher {
  /** The last entry that it has, or has been told of. */
  seq(): number;
  /** The log has more. */
  behind(): void;
  /** The session is gone. */
  gone(): void;
}

/**
 * Looks at logs now and then, because a hint may be lost: at all that are watched together, because a process watches
 * thousands, and nearly always finds nothing new.
 */
export interface Looks extends Disposable {
  /** Until the result is called. */
  watch(ref: SessionRef, watcher: Watcher): () => void;
}

/** Sessions of one read. */
const BATCH = 500;

interface Watch {
  ref: SessionRef;
  watcher: Watcher;
}

/** @param every_ms between two looks; a lost hint costs at most this and the time of a read */
export function createLooks(log: Pick<SessionLog, 'standing'>, logger: Logger, every_ms: number): Looks {
  const watches = new Set<Watch>();
  let timer: NodeJS.Timeout | undefined;

  async function lookAt(some: readonly Watch[]): Promise<void> {
    const standing = await log.standing(some.map(({ ref }) => ref));
    for (const watch of some) {
      if (!watches.has(watch)) continue;
      const seq = standing.get(watch.ref.session_id);
      if (seq === undefined) watch.watcher.gone();
      else if (seq > watch.watcher.seq()) watch.watcher.behind();
    }
  }

  async function look(): Promise<void> {
    const all = [...watches];
    for (let from = 0; from < all.length; from += BATCH) await lookAt(all.slice(from, from + BATCH));
  }

  function schedule(): void {
    timer = setTimeout(() => {
      look()
        .catch((error: unknown) => {
          logger.warn({ reason: messageOf(error) }, 'could not look at logs; the next look tries again');
        })
        .finally(() => {
          if (watches.size > 0) schedule();
          else timer = undefined;
        });
    }, every_ms).unref();
  }

  return {
    watch(ref, watcher) {
      const watch = { ref, watcher };
      watches.add(watch);
      if (timer === undefined) schedule();
      return () => void watches.delete(watch);
    },
    [Symbol.dispose]() {
      watches.clear();
      clearTimeout(timer);
    },
  };
}
