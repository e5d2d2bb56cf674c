import { LRUCache } from 'lru-cache';
import type { CheckpointStore } from '../session/checkpoint-store.ts';
import type { Claimed, SessionLog, SessionRef } from '../session/log.ts';
import { pagesAfter } from '../session/log-reading.ts';
import { emptyState, type SessionState } from '../session/session-state.ts';
import { fold } from '../session/state.ts';

/** Folds of recently used sessions, so that a turn reads and folds only what is new. Never the truth: it may be emptied. */
export interface StateCache {
  /** The session's state as it was claimed. */
  load(
    log: Pick<SessionLog, 'readPage'>,
    ref: SessionRef,
    claimed: Pick<Claimed, 'head' | 'latest'>,
  ): Promise<SessionState>;
  /** What is kept of it; null for nothing. */
  peek(ref: SessionRef): SessionState | null;
  put(ref: SessionRef, state: SessionState): void;
  forget(ref: SessionRef): void;
  /** The log has grown: save the state for other workers, if much has happened since it was saved last. */
  checkpoint(ref: SessionRef): Promise<void>;
}

/**
 * Between two checkpoints of a log, counted in events; what one append adds comes on top. So a worker that does not know
 * a session, or only how it was long ago, reads about as many, however many one run has.
 */
export const CHECKPOINT_EVENTS = 200;

interface Known {
  state: SessionState;
  /** Where the last checkpoint stands, as far as this worker knows; 0 for none. */
  saved: number;
}

/** What a worker keeps. One that is not kept costs a read of what its claim does not bring. */
const MAX_SESSIONS = 1_000;
const MAX_BYTES = 64 * 1024 * 1024;

export function createStateCache(checkpoints: CheckpointStore): StateCache {
  const states = new LRUCache<string, Known>({
    max: MAX_SESSIONS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ state }) => 1 + state.bytes,
  });

  /** The later of what this worker knows and what was saved, by whomever. */
  async function recall(ref: SessionRef, cached: Known): Promise<Known> {
    const state = await checkpoints.load(ref);
    if (state === null) return cached;
    return state.seq > cached.state.seq ? { state, saved: state.seq } : { ...cached, saved: state.seq };
  }

  return {
    async load(log, ref, { head, latest }) {
      const first = latest[0]?.seq ?? head.seq + 1;
      const cached = states.get(ref.session_id) ?? { state: emptyState(), saved: 0 };
      const isBrought = first <= cached.state.seq + 1;
      const isLittle = head.seq - cached.state.seq < CHECKPOINT_EVENTS;
      const known = isBrought || isLittle ? cached : await recall(ref, cached);
      let { state } = known;
      const { seq } = state;
      const fresh = first <= seq + 1 ? [latest.filter((entry) => entry.seq > seq)] : pagesAfter(log, ref, seq);
      for await (const entries of fresh) if (entries.length > 0) state = fold(entries, state);
      states.set(ref.session_id, { ...known, state });
      return state;
    },

    peek: (ref) => states.peek(ref.session_id)?.state ?? null,

    put(ref, state) {
      states.set(ref.session_id, { state, saved: states.peek(ref.session_id)?.saved ?? 0 });
    },

    forget(ref) {
      states.delete(ref.session_id);
    },

    async checkpoint(ref) {
      const known = states.peek(ref.session_id);
      if (known === undefined || known.state.seq - known.saved < CHECKPOINT_EVENTS) return;
      await checkpoints.save(ref, known.state);
      states.set(ref.session_id, { ...known, saved: known.state.seq });
    },
  };
}
