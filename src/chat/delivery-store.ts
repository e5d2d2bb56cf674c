import type { Collection, Db } from 'mongodb';
import type { PostRef } from './connector.ts';
import type { Outgoing } from './outgoing.ts';
import type { ConversationKey } from './place.ts';

/**
 * Something that must reach a conversation exactly once.
 *
 * claimed: it is being posted, or was when its process died: look it up before posting (again).
 * live: the same for a part of a text that is not in the log yet; with a reference, it stands in the conversation.
 * posted: it stands there as it should, or another took its place. failed: the platform will never take it; somebody was told.
 */
export interface Delivery {
  _id: string;
  workspace_id: string;
  session_id: string;
  conversation: ConversationKey;
  state: 'claimed' | 'live' | 'posted' | 'failed';
  ref: PostRef | null;
  /** What was last sent: an approval's card is drawn again from it. */
  outgoing: Outgoing;
  claimed_at: Date;
  /** In the first post of a text: where it went on in another as it grew, as offsets in it. */
  cuts?: number[];
}

export interface DeliveryStore {
  /** Claim it, or find what an earlier claim came to. */
  claim(
    delivery: Omit<Delivery, 'state' | 'ref' | 'claimed_at'> & { state: 'claimed' | 'live' },
  ): Promise<{ delivery: Delivery; first: boolean }>;
  get(id: string): Promise<Delivery | null>;
  /** What came to it. One that is posted or failed does not become live again, whoever is late with saying so. */
  record(id: string, change: Partial<Pick<Delivery, 'state' | 'ref' | 'outgoing' | 'cuts'>>): Promise<void>;
  /** The cards of an approval, wherever they stand. */
  cards(session_id: string, approval_id: string): Promise<Delivery[]>;
  /** Live posts of a session that never became final. */
  live(session_id: string): Promise<Delivery[]>;
}

export async function createDeliveryIndexes(db: Db): Promise<void> {
  await db.collection('deliveries').createIndexes([
    { key: { session_id: 1 } },
    {
      key: { session_id: 1, 'outgoing.card.approval_id': 1 },
      name: 'cards',
      partialFilterExpression: { 'outgoing.kind': 'approval' },
    },
    { key: { session_id: 1, claimed_at: 1 }, name: 'growing', partialFilterExpression: { state: 'live' } },
  ]);
}

/** A deleted session leaves nothing of what it said behind. Safe to call again. */
export async function forgetDeliveries(db: Db, session_id: string): Promise<void> {
  await db.collection('deliveries').deleteMany({ session_id });
  await db.collection<{ _id: string }>('delivery_cursors').deleteOne({ _id: session_id });
}

export function createDeliveryStore(db: Db): DeliveryStore {
  const deliveries: Collection<Delivery> = db.collection('deliveries', {
    writeConcern: { w: 'majority', journal: true },
  });
  return {
    async claim({ _id, ...rest }) {
      const claimed_at = new Date();
      const before = await deliveries.findOneAndUpdate(
        { _id },
        { $setOnInsert: { ...rest, ref: null, claimed_at } },
        { upsert: true, returnDocument: 'before' },
      );
      if (before !== null) return { delivery: before, first: false };
      return { delivery: { _id, ...rest, ref: null, claimed_at }, first: true };
    },
    get: (id) => deliveries.findOne({ _id: id }),
    async record(id, change) {
      const open = change.state === 'live' ? { state: { $in: ['claimed', 'live'] as Delivery['state'][] } } : {};
      await deliveries.updateOne({ _id: id, ...open }, { $set: change });
    },
    cards: (session_id, approval_id) =>
      deliveries.find({ session_id, 'outgoing.kind': 'approval', 'outgoing.card.approval_id': approval_id }).toArray(),
    live: (session_id) => deliveries.find({ session_id, state: 'live' }).sort({ claimed_at: 1 }).toArray(),
  };
}
