import { LRUCache } from 'lru-cache';
import type { Claimed, SessionLog, SessionRef } from '../session/log.ts';
import { emptyState, fold, type SessionState } from '../session/state.ts';

/** Folds of recently used sessions, so that a turn reads and folds only what is new. Never the truth: it may be emptied. */
export interface StateCache {
  /** The session's state as it was claimed. */
  load(
    log: Pick<SessionLog, 'read'>,
    ref: SessionRef,
    claimed: Pick<Claimed, 'head' | 'latest'>,
  ): Promise<SessionState>;
  put(ref: SessionRef, state: SessionState): void;
  forget(ref: SessionRef): void;
}

/** Keeps up to `max_items` transcript items over all sessions: a long session counts for more than a short one. */
export function createStateCache(max_items = 200_000): StateCache {
  const states = new LRUCache<string, SessionState>({
    maxSize: max_items,
    sizeCalculation: (state) => 1 + state.transcript.length,
  });
  return {
    async load(log, ref, { head, latest }) {
      const known = states.get(ref.session_id) ?? emptyState();
      const first = latest[0]?.seq ?? head.seq + 1;
      const fresh =
        first <= known.seq + 1 ? latest.filter((entry) => entry.seq > known.seq) : await log.read(ref, known.seq);
      const state = fresh.length === 0 ? known : fold(fresh, known);
      states.set(ref.session_id, state);
      return state;
    },
    put(ref, state) {
      states.set(ref.session_id, state);
    },
    forget(ref) {
      states.delete(ref.session_id);
    },
  };
}
