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
  /** A turn has ended: save the state for other workers, if much has happened since it was saved last. */
  checkpoint(ref: SessionRef): Promise<void>;
}

/** A worker that is new to a session reads at most about as many events as this. */
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

  async function recall(ref: SessionRef, seq: number): Promise<Known> {
    const state = seq < CHECKPOINT_EVENTS ? null : await checkpoints.load(ref);
    return state === null ? { state: emptyState(), saved: 0 } : { state, saved: state.seq };
  }

  return {
    async load(log, ref, { head, latest }) {
      const first = latest[0]?.seq ?? head.seq + 1;
      const cached = states.get(ref.session_id) ?? { state: emptyState(), saved: 0 };
      const isBrought = first <= cached.state.seq + 1;
      const known = isBrought || cached.state.seq > 0 ? cached : await recall(ref, head.seq);
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
