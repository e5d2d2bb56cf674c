import type { Collection, Db } from 'mongodb';
import { isDuplicate } from './duplicate.ts';
import type { SessionRef } from './log.ts';
import type { SessionState } from './session-state.ts';
import { STATE_VERSION } from './state.ts';

/**
 * Folds of long logs, so that a worker that does not know a session reads only what came after. Never the truth: one that
 * is missing, old or of another version costs reading, and nothing else.
 */
export interface CheckpointStore {
  /** The latest state that was saved, or null. */
  load(ref: SessionRef): Promise<SessionState | null>;
  /** An older one never replaces a newer one. A state that is too heavy for a document is not saved. */
  save(ref: SessionRef, state: SessionState): Promise<void>;
}

interface CheckpointDocument {
  _id: string;
  workspace_id: string;
  /** Of the fold that made it. */
  version: number;
  seq: number;
  /** As JSON, because its keys are anybody's. */
  state: string;
}

const CHECKPOINTS = 'session_checkpoints';
/** A document ends at 16 MiB. */
const MAX_STATE_BYTES = 12 * 1024 * 1024;

export function createCheckpointStore(db: Db): CheckpointStore {
  // One that a crash undoes is made again.
  const checkpoints: Collection<CheckpointDocument> = db.collection(CHECKPOINTS, { writeConcern: { w: 1 } });
  return {
    async load({ workspace_id, session_id }) {
      const found = await checkpoints.findOne({ _id: session_id, workspace_id });
      return found?.version === STATE_VERSION ? (JSON.parse(found.state) as SessionState) : null;
    },

    async save({ workspace_id, session_id }, state) {
      const json = JSON.stringify(state);
      if (Buffer.byteLength(json) > MAX_STATE_BYTES) return;
      try {
        await checkpoints.updateOne(
          { _id: session_id, workspace_id, $or: [{ seq: { $lt: state.seq } }, { version: { $ne: STATE_VERSION } }] },
          { $set: { version: STATE_VERSION, seq: state.seq, state: json } },
          { upsert: true },
        );
      } catch (error) {
        // There is a newer one, so the filter matched nothing and the upsert collided with it.
        if (!isDuplicate(error)) throw error;
      }
    },
  };
}

/** A deleted session leaves nothing of what was said in it behind. Safe to call again. */
export async function forgetCheckpoint(db: Db, session_id: string): Promise<void> {
  await db.collection<CheckpointDocument>(CHECKPOINTS).deleteOne({ _id: session_id });
}
