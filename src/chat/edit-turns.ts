import { LRUCache } from 'lru-cache';
import type { ConversationKey } from './place.ts';

/**
 * Turns at editing live messages. Each message waits at least the platform's interval, and all of one workspace together
 * take so many turns a second: the more texts grow at once, the less often each is shown. What is final waits for no turn.
 */
export interface EditTurns {
  /** Take the next turn; how long it is until then, in ms. */
  take(of: Pick<ConversationKey, 'connector' | 'tenant'>, limits: EditLimits): number;
}

export interface EditLimits {
  edit_interval_ms: number;
  live_edits_per_second?: number;
}

const MOST_WORKSPACES = 10_000;

export function createEditTurns(now: () => number): EditTurns {
  /** When the last turn that was given out is. */
  const last = new LRUCache<string, number>({ max: MOST_WORKSPACES });

  return {
    take({ connector, tenant }, { edit_interval_ms, live_edits_per_second }) {
      if (live_edits_per_second === undefined) return edit_interval_ms;
      const workspace = JSON.stringify([connector, tenant]);
      const earliest = now() + edit_interval_ms;
      const turn = Math.max(earliest, (last.get(workspace) ?? 0) + 1_000 / live_edits_per_second);
      last.set(workspace, turn);
      return turn - now();
    },
  };
}
