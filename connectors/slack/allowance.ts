import { LRUCache } from 'lru-cache';

/** So many calls a minute of a method, as Slack counts them: by workspace, and bursts may use up a whole minute's. */
export interface Allowance {
  /** False: this minute's are used up. */
  take(tenant: string): boolean;
}

const MINUTE_MS = 60_000;
const MOST_WORKSPACES = 10_000;

/**
 * For calls that can be done without: beyond what Slack takes they would be refused, and make what cannot be done without
 * wait. @param now milliseconds of any clock
 */
export function createAllowance(per_minute: number, now: () => number): Allowance {
  const left = new LRUCache<string, { calls: number; at: number }>({ max: MOST_WORKSPACES });

  return {
    take(tenant) {
      const at = now();
      const before = left.get(tenant) ?? { calls: per_minute, at };
      const calls = Math.min(per_minute, before.calls + ((at - before.at) * per_minute) / MINUTE_MS);
      if (calls < 1) return false;
      left.set(tenant, { calls: calls - 1, at });
      return true;
    },
  };
}
