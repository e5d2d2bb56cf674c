import type { Collection, Db } from 'mongodb';
import { newId } from '../session/id.ts';
import type { LeaseFields } from '../session/log-document.ts';
import type { ConversationKey } from './connector.ts';
import { isDuplicateKey } from './mongo-errors.ts';

const CONVERSATIONS = 'conversations';

/** A chat place and the sessions that live in it, at most one live one per agent. */
export interface Conversation extends ConversationKey {
  /** `conv_…` */
  _id: string;
  workspace_id: string;
  created_at: Date;
  /** The agent that was spoken to last; null before the first message. */
  agent_id: string | null;
  /** By agent id. */
  sessions: Record<string, SessionSlot>;
  /** Who delivers here. `until` is by the database's clock, `token` grows with every change of hands. */
  delivery: LeaseFields;
}

/** A session's id is reserved here before the session is made, so that two first messages make one. */
export interface SessionSlot {
  session_id: string;
  /** Until then it may be made by whoever finds it; afterwards a session that is missing was deleted. */
  made: boolean;
}

export interface ConversationStore {
  /** The conversation of this place, made when there is none. */
  open(key: ConversationKey, workspace_id: string): Promise<Conversation>;
  find(conversation_id: string): Promise<Conversation | null>;
  findByKey(key: ConversationKey): Promise<Conversation | null>;
  /** This agent's slot, reserved anew when there is none or it still holds `dead`. */
  reserve(conversation: Conversation, agent_id: string, dead: string | null): Promise<SessionSlot>;
  markMade(conversation: Conversation, agent_id: string, session_id: string): Promise<void>;
  /** Become the one who delivers here for `ttl_ms`; null while somebody else is. */
  claimDelivery(conversation_id: string, holder: string, ttl_ms: number): Promise<DeliveryLease | null>;
  /** False: taken over; stop. */
  renewDelivery(lease: DeliveryLease, ttl_ms: number): Promise<boolean>;
  releaseDelivery(lease: DeliveryLease): Promise<void>;
}

export interface DeliveryLease {
  conversation: Conversation;
  token: number;
}

/** Indexes that conversations need; safe to call at every start. */
export async function createConversationIndexes(db: Db): Promise<void> {
  await db
    .collection(CONVERSATIONS)
    .createIndex({ connector: 1, tenant: 1, channel: 1, thread: 1 }, { unique: true, name: 'place' });
}

const FREE = { $or: [{ $eq: ['$delivery.until', null] }, { $lte: ['$delivery.until', '$$NOW'] }] };

export function createConversationStore(db: Db): ConversationStore {
  const conversations: Collection<Conversation> = db.collection(CONVERSATIONS, {
    writeConcern: { w: 'majority', journal: true },
  });

  async function findByKey(key: ConversationKey): Promise<Conversation | null> {
    const { connector, tenant, channel, thread } = key;
    return conversations.findOne({ connector, tenant, channel, thread });
  }

  return {
    async open(key, workspace_id) {
      const known = await findByKey(key);
      if (known !== null) return known;
      const { connector, tenant, channel, thread } = key;
      const made: Conversation = {
        ...{ _id: newId('conv'), workspace_id, connector, tenant, channel, thread },
        created_at: new Date(),
        agent_id: null,
        sessions: {},
        delivery: { token: 0, holder: null, until: null },
      };
      try {
        await conversations.insertOne(made);
        return made;
      } catch (error) {
        if (!isDuplicateKey(error)) throw error;
        // The other first message made it.
        const theirs = await findByKey(key);
        if (theirs === null) throw error;
        return theirs;
      }
    },

    find: (conversation_id) => conversations.findOne({ _id: conversation_id }),

    findByKey,

    async reserve(conversation, agent_id, dead) {
      const field = `sessions.${agent_id}`;
      const empty = dead === null ? { [field]: { $exists: false } } : { [`${field}.session_id`]: dead };
      const slot: SessionSlot = { session_id: newId('sesn'), made: false };
      await conversations.updateOne({ _id: conversation._id, ...empty }, { $set: { [field]: slot } });
      const now = await conversations.findOneAndUpdate(
        { _id: conversation._id },
        { $set: { agent_id } },
        { returnDocument: 'after' },
      );
      return now?.sessions[agent_id] ?? slot;
    },

    async markMade(conversation, agent_id, session_id) {
      const field = `sessions.${agent_id}`;
      await conversations.updateOne(
        { _id: conversation._id, [`${field}.session_id`]: session_id },
        { $set: { [`${field}.made`]: true } },
      );
    },

    async claimDelivery(conversation_id, holder, ttl_ms) {
      const conversation = await conversations.findOneAndUpdate(
        { _id: conversation_id, $expr: FREE },
        [
          {
            $set: {
              'delivery.token': { $add: ['$delivery.token', 1] },
              'delivery.holder': { $literal: holder },
              'delivery.until': { $add: ['$$NOW', ttl_ms] },
            },
          },
        ],
        { returnDocument: 'after' },
      );
      return conversation === null ? null : { conversation, token: conversation.delivery.token };
    },

    async renewDelivery(lease, ttl_ms) {
      const renewed = await conversations.updateOne(
        { _id: lease.conversation._id, 'delivery.token': lease.token },
        [{ $set: { 'delivery.until': { $add: ['$$NOW', ttl_ms] } } }],
        { writeConcern: { w: 1 } },
      );
      return renewed.matchedCount === 1;
    },

    async releaseDelivery(lease) {
      await conversations.updateOne(
        { _id: lease.conversation._id, 'delivery.token': lease.token },
        { $set: { 'delivery.holder': null, 'delivery.until': null } },
      );
    },
  };
}
