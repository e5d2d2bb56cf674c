import type { Db } from 'mongodb';
import type { SessionRef } from '../session/log.ts';

const ENDED = 'ended_sessions';
/** How long a worker may have been away and still learn that a session ended. */
const REMEMBERED_S = 365 * 24 * 60 * 60;

/** Sessions that were archived or deleted, so that a worker that was not told can look. */
export interface EndedSessions {
  /** Safe to call again. */
  add(ref: SessionRef): Promise<void>;
  has(ref: SessionRef): Promise<boolean>;
  /** Those of these that have ended. A session that is not known at all is not among them. */
  among(session_ids: readonly string[]): Promise<string[]>;
}

export async function createEndedSessionIndexes(db: Db): Promise<void> {
  await db.collection(ENDED).createIndex({ ended_at: 1 }, { expireAfterSeconds: REMEMBERED_S });
}

export function createEndedSessions(db: Db): EndedSessions {
  const ended = db.collection<{ _id: string; workspace_id: string; ended_at: Date }>(ENDED, {
    writeConcern: { w: 'majority', journal: true },
  });
  return {
    async add({ session_id, workspace_id }) {
      const made = { workspace_id, ended_at: new Date() };
      await ended.updateOne({ _id: session_id }, { $setOnInsert: made }, { upsert: true });
    },
    async has({ session_id, workspace_id }) {
      return (await ended.findOne({ _id: session_id, workspace_id }, { projection: { _id: 1 } })) !== null;
    },
    async among(session_ids) {
      if (session_ids.length === 0) return [];
      const found = await ended.find({ _id: { $in: [...session_ids] } }, { projection: { _id: 1 } }).toArray();
      return found.map(({ _id }) => _id);
    },
  };
}
