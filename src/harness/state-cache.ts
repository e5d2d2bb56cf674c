import { LRUCache } from 'lru-cache';
import type { CheckpointStore } from '../session/checkpoint-store.ts';
import type { Claimed, SessionLog, SessionRef } from '../session/log.ts';
import { pagesAfter } from '../session/log-reading.ts';
import { emptyState, type SessionState } from '../session/session-state.ts';
import { fold } from '../session/state.ts';

/** A checkpoint that is being read. */
export type ReadAhead = Promise<SessionState | null>;

/** Folds of recently used sessions, so that a turn reads and folds only what is new. Never the truth: it may be emptied. */
export interface StateCache {
  /**
   * Its log stands at `seq` at least, and it is about to be claimed: read meanwhile what `load` will need. Null: nothing, as far
   * as can be told.
   */
  ahead(ref: SessionRef, seq: number): ReadAhead | null;
  /** The session's state as it was claimed. */
  load(
    log: Pick<SessionLog, 'readPage'>,
    ref: SessionRef,
    claimed: Pick<Claimed, 'head' | 'latest'>,
    ahead?: ReadAhead | null,
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

/** What a worker keeps. One that is not kept costs a read of what its claim does not bring. */
const MAX_SESSIONS = 1_000;
const MAX_BYTES = 64 * 1024 * 1024;
const MAX_SAVED = 20_000;

export function createStateCache(checkpoints: CheckpointStore): StateCache {
  const states = new LRUCache<string, SessionState>({
    max: MAX_SESSIONS,
    maxSize: MAX_BYTES,
    sizeCalculation: ({ bytes }) => 1 + bytes,
  });
  /** Where the last checkpoint of each stands, or the one that is being saved, as far as this worker knows. It outlives the states. */
  const saved = new LRUCache<string, number>({ max: MAX_SAVED });

  /** The later of what this worker knows and what was saved, by whomever. */
  async function recall(ref: SessionRef, cached: SessionState, read: ReadAhead): Promise<SessionState> {
    const state = await read;
    if (state === null) return cached;
    saved.set(ref.session_id, state.seq);
    return state.seq > cached.seq ? state : cached;
  }

  /** Where it was replaced while it was read ahead, the new one. */
  async function read(ref: SessionRef, ahead: Promise<SessionState | null> | null): Promise<SessionState | null> {
    return (await ahead) ?? (await checkpoints.load(ref));
  }

  return {
    ahead(ref, seq) {
      const known = states.peek(ref.session_id)?.seq ?? 0;
      if (seq - known < CHECKPOINT_EVENTS) return null;
      const read = checkpoints.load(ref);
      // Whoever does not get the session after all does not wait for it.
      read.catch(() => undefined);
      return read;
    },

    async load(log, ref, { head, latest }, ahead = null) {
      const first = latest[0]?.seq ?? head.seq + 1;
      const cached = states.get(ref.session_id) ?? emptyState();
      const isBrought = first <= cached.seq + 1;
      const isLittle = head.seq - cached.seq < CHECKPOINT_EVENTS;
      let state = isBrought || isLittle ? cached : await recall(ref, cached, read(ref, ahead));
      const { seq } = state;
      const fresh = first <= seq + 1 ? [latest.filter((entry) => entry.seq > seq)] : pagesAfter(log, ref, seq);
      for await (const entries of fresh) if (entries.length > 0) state = fold(entries, state);
      states.set(ref.session_id, state);
      return state;
    },

    peek: (ref) => states.peek(ref.session_id) ?? null,

    put(ref, state) {
      states.set(ref.session_id, state);
    },

    forget(ref) {
      states.delete(ref.session_id);
    },

    async checkpoint(ref) {
      const { session_id } = ref;
      const state = states.peek(session_id);
      const before = saved.get(session_id) ?? 0;
      if (state === undefined || state.seq - before < CHECKPOINT_EVENTS) return;
      // Before it is: whoever appends meanwhile need not save it too.
      saved.set(session_id, state.seq);
      try {
        await checkpoints.save(ref, state);
      } catch (error) {
        saved.set(session_id, before);
        throw error;
      }
    },
  };
}
