import { Binary, type Collection, type Db } from 'mongodb';
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
  /** An older one never replaces a newer one. One of a session that was deleted meanwhile is not kept. */
  save(ref: SessionRef, state: SessionState): Promise<void>;
}

interface CheckpointDocument {
  _id: string;
  workspace_id: string;
  /** Of the fold that made it. */
  version: number;
  seq: number;
  /** As JSON, because its keys are anybody's: the first part of it, and how many there are. */
  state: Binary;
  parts: number;
}

/** What is more than one document holds. They are written before the checkpoint that they belong to. */
interface PartDocument {
  /** See `partId`. */
  _id: string;
  state: Binary;
}

const CHECKPOINTS = 'session_checkpoints';
const PARTS = 'session_checkpoint_parts';
/** What one document holds of a state: it ends at 16 MiB. */
const PART_BYTES = 12 * 1024 * 1024;
/** A crash undoes what is not journaled: it is made again. */
const UNJOURNALED = { writeConcern: { w: 1 } };

export function createCheckpointStore(db: Db, part_bytes: number = PART_BYTES): CheckpointStore {
  const checkpoints: Collection<CheckpointDocument> = db.collection(CHECKPOINTS, UNJOURNALED);
  const parts: Collection<PartDocument> = db.collection(PARTS, UNJOURNALED);

  /** What stood there; null where nothing did, or a newer one does. */
  async function replace(checkpoint: Omit<CheckpointDocument, 'version'>): Promise<CheckpointDocument | null> {
    const { _id, workspace_id, ...rest } = checkpoint;
    const older = { $or: [{ seq: { $lt: rest.seq } }, { version: { $ne: STATE_VERSION } }] };
    const set = { $set: { version: STATE_VERSION, ...rest } };
    try {
      const options = { upsert: true, projection: { parts: 1 } };
      return await checkpoints.findOneAndUpdate({ _id, workspace_id, ...older }, set, options);
    } catch (error) {
      // There is a newer one, so the filter matched nothing and the upsert collided with it.
      if (isDuplicate(error)) return null;
      throw error;
    }
  }

  return {
    async load({ workspace_id, session_id }) {
      const found = await checkpoints.findOne({ _id: session_id, workspace_id });
      if (found?.version !== STATE_VERSION) return null;
      const bytes = [found.state];
      for (let index = 1; index < found.parts; index++) {
        const part = await parts.findOne({ _id: partId(session_id, found.seq, index) });
        // A newer one has taken its place meanwhile.
        if (part === null) return null;
        bytes.push(part.state);
      }
      return parsed(bytes.map((part) => part.value()));
    },

    async save({ workspace_id, session_id }, state) {
      const { seq } = state;
      const bytes = Buffer.from(JSON.stringify(state));
      const count = Math.ceil(bytes.length / part_bytes);
      const part = (index: number) => new Binary(bytes.subarray(index * part_bytes, (index + 1) * part_bytes));
      for (let index = 1; index < count; index++) {
        const filter = { _id: partId(session_id, seq, index) };
        await parts.replaceOne(filter, { state: part(index) }, { upsert: true });
      }
      const before = await replace({ _id: session_id, workspace_id, seq, state: part(0), parts: count });
      if (count > 1 || (before?.parts ?? 1) > 1) {
        await parts.deleteMany({ _id: { $gte: partId(session_id, 0), $lt: partId(session_id, seq) } });
      }
      // Looked for after it was saved: a session that is deleted from here on takes it along.
      const sessions = db.collection<{ _id: string }>('sessions');
      if ((await sessions.countDocuments({ _id: session_id }, { limit: 1 })) === 0)
        await forgetCheckpoint(db, session_id);
    },
  };
}

/** A deleted session leaves nothing of what was said in it behind. Safe to call again. */
export async function forgetCheckpoint(db: Db, session_id: string): Promise<void> {
  await db.collection<CheckpointDocument>(CHECKPOINTS).deleteOne({ _id: session_id });
  const all = { $gte: partId(session_id, 0), $lt: partId(session_id, Number.MAX_SAFE_INTEGER) };
  await db.collection<PartDocument>(PARTS).deleteMany({ _id: all });
}

/** Null: it cannot be read, and so is as good as none. */
function parsed(bytes: readonly Uint8Array[]): SessionState | null {
  try {
    return JSON.parse(Buffer.concat(bytes).toString()) as SessionState;
  } catch {
    return null;
  }
}

/** One session's stand side by side, in the order of their logs. Without an index, the least of its `seq`. */
function partId(session_id: string, seq: number, index?: number): string {
  const place = `${session_id}:${String(seq).padStart(16, '0')}:`;
  return index === undefined ? place : `${place}${STATE_VERSION}.${index}`;
}
