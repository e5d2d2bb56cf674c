import { LRUCache } from 'lru-cache';

/** First wait of a session that could not be shown; doubled each time up to the longest. */
const FIRST_MS = 2_000;
const LONGEST_MS = 300_000;
/** Sessions whose wait is remembered; a forgotten one is tried at the next sweep. */
const MOST = 10_000;

/**
 * Sessions that wait because their platform failed them. Only this process's memory of when to try again: that they are
 * not shown yet stands in their log.
 */
export interface PutOff {
  isDue(session_id: string): boolean;
  /** Wait, longer each time, and at least `least_ms`. Returns how long. */
  add(session_id: string, connector: string, least_ms?: number): number;
  /** It was shown. */
  forget(session_id: string): void;
  /** The connector works again: whatever waited for it is due. */
  release(connector: string): void;
}

export function createPutOff(now: () => number): PutOff {
  const waiting = new LRUCache<string, { connector: string; times: number; until: number }>({ max: MOST });
  return {
    isDue: (session_id) => now() >= (waiting.get(session_id)?.until ?? 0),
    add(session_id, connector, least_ms = 0) {
      const times = waiting.get(session_id)?.times ?? 0;
      const wait = Math.max(least_ms, Math.min(LONGEST_MS, FIRST_MS * 2 ** times));
      waiting.set(session_id, { connector, times: times + 1, until: now() + wait });
      return wait;
    },
    forget: (session_id) => void waiting.delete(session_id),
    release(connector) {
      for (const [session_id, entry] of waiting.entries()) {
        if (entry.connector === connector) waiting.delete(session_id);
      }
    },
  };
}
