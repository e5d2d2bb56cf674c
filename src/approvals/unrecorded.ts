import type { Db } from 'mongodb';
import type { SessionRef } from '../session/log.ts';
import type { LoggedDocument } from '../session/log-document.ts';

/** Index that this needs; safe to call at every start. */
export async function createUnrecordedIndex(db: Db): Promise<void> {
  await db
    .collection('sessions')
    .createIndex(
      { 'log.unrecorded': 1 },
      { partialFilterExpression: { 'log.unrecorded': { $exists: true } }, name: 'unrecorded' },
    );
}

/**
 * Sessions whose turn has asked people something, or withdrawn it, and no record may say so yet. The append that does it marks
 * the session's document, so that a look finds what a dead process owes, and nothing else.
 */
export interface Unrecorded {
  find(limit: number): Promise<SessionRef[]>;
  /** This question and all before it are on record. What came since is not. */
  settle(ref: SessionRef, approval_id: string): Promise<void>;
}

export function createUnrecorded(db: Db): Unrecorded {
  const sessions = db.collection<LoggedDocument>('sessions');
  return {
    async find(limit) {
      const found = await sessions
        .find({ 'log.unrecorded': { $exists: true } }, { projection: { workspace_id: 1 } })
        .limit(limit)
        .toArray();
      return found.map(({ _id, workspace_id }) => ({ workspace_id, session_id: _id }));
    },

    async settle({ workspace_id, session_id }, approval_id) {
      await sessions.updateOne(
        { _id: session_id, workspace_id, 'log.unrecorded': approval_id },
        { $unset: { 'log.unrecorded': '' } },
      );
    },
  };
}
