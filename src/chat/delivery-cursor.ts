import type { Collection, Db } from 'mongodb';
import { isDuplicate } from '../session/duplicate.ts';
import { gatherFor } from '../session/lease.ts';
import { createLots } from './lots.ts';

/** How far a session is shown in its conversation, and which gateway is showing it. */
interface CursorDocument {
  _id: string;
  workspace_id: string;
  seq: number;
  token: number;
  holder: string | null;
  until: Date | null;
  /** See `CursorLease`. */
  lapsed_ms?: number | null;
}

export interface CursorLease {
  session_id: string;
  token: number;
  /** The last event that is shown. */
  seq: number;
  /** For how long a lost gateway's lease had run out when this one was taken; null: nobody's had, it was given back. */
  lapsed_ms: number | null;
}

/** One gateway at a time shows a session, so that its messages keep their order. The clock is the database's. */
export interface CursorStore {
  /** Null: another gateway is at it. */
  acquire(session_id: string, workspace_id: string, holder: string, ttl_ms: number): Promise<CursorLease | null>;
  /** Null: another gateway has taken over, or it was given back. */
  renew(lease: CursorLease, ttl_ms: number): Promise<CursorLease | null>;
  /** Everything up to `seq` is shown. False: another gateway has taken over. */
  advance(lease: CursorLease, seq: number): Promise<boolean>;
  release(lease: CursorLease): Promise<void>;
}

/** Leases renewed at once. */
const LOT = 500;

export function createCursorStore(db: Db): CursorStore {
  const cursors: Collection<CursorDocument> = db.collection('delivery_cursors', {
    writeConcern: { w: 'majority', journal: true },
  });
  const free = { $or: [{ $eq: ['$until', null] }, { $lte: ['$until', '$$NOW'] }] };

  async function tryAcquire(session_id: string, holder: string, ttl_ms: number): Promise<CursorLease | null> {
    const held = await cursors.findOneAndUpdate(
      { _id: session_id, $expr: free },
      [
        {
          $set: {
            token: { $add: ['$token', 1] },
            holder: { $literal: holder },
            until: { $add: ['$$NOW', ttl_ms] },
            lapsed_ms: { $cond: [{ $eq: ['$until', null] }, null, { $subtract: ['$$NOW', '$until'] }] },
          },
        },
      ],
      { returnDocument: 'after' },
    );
    return held === null ? null : { session_id, token: held.token, seq: held.seq, lapsed_ms: held.lapsed_ms ?? null };
  }

  /** A gateway that shows many sessions would otherwise spend most of its time on saying, one by one, that it does. */
  const renewTogether = createLots<{ lease: CursorLease; ttl_ms: number }, CursorLease | null>(
    { most: LOT, gatherFor: ({ ttl_ms }) => gatherFor(ttl_ms) },
    async (asked) => {
      // A renewal that a release overtook must not hold for nobody what was just given back.
      const held = (lease: CursorLease) => ({ _id: lease.session_id, token: lease.token, holder: { $ne: null } });
      const updates = asked.map(({ lease, ttl_ms }) => ({
        updateOne: { filter: held(lease), update: [{ $set: { until: { $add: ['$$NOW', ttl_ms] } } }] },
      }));
      const { matchedCount } = await cursors.bulkWrite(updates, { ordered: false });
      if (matchedCount === asked.length) return asked.map(({ lease }) => lease);
      const found = await cursors
        .find({ $or: asked.map(({ lease }) => held(lease)) }, { projection: { _id: 1 } })
        .toArray();
      const ids = new Set(found.map(({ _id }) => _id));
      return asked.map(({ lease }) => (ids.has(lease.session_id) ? lease : null));
    },
  );

  return {
    async acquire(session_id, workspace_id, holder, ttl_ms) {
      const lease = await tryAcquire(session_id, holder, ttl_ms);
      if (lease !== null) return lease;
      try {
        await cursors.insertOne({ _id: session_id, workspace_id, seq: 0, token: 0, holder: null, until: null });
      } catch (error) {
        if (isDuplicate(error)) return null;
        throw error;
      }
      return tryAcquire(session_id, holder, ttl_ms);
    },

    renew: (lease, ttl_ms) => renewTogether({ lease, ttl_ms }),

    async advance(lease, seq) {
      const moved = await cursors.updateOne({ _id: lease.session_id, token: lease.token }, { $set: { seq } });
      return moved.matchedCount === 1;
    },

    async release(lease) {
      await cursors.updateOne({ _id: lease.session_id, token: lease.token }, { $set: { holder: null, until: null } });
    },
  };
}
