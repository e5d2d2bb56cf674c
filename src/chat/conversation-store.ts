import type { Collection, Db } from 'mongodb';
import { isDuplicate } from '../session/duplicate.ts';
import { newId } from '../session/id.ts';
import { createLots, PER_EVENT } from './lots.ts';
import type { ConversationKey } from './place.ts';

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
  /** The workspace in which this tenant's conversations are; null when it has none. */
  workspaceOf(connector: string, tenant: string): Promise<string | null>;
  /** This agent's slot, reserved anew when there is none or it still holds `dead`. */
  reserve(conversation: Conversation, agent_id: string, dead: string | null): Promise<SessionSlot>;
  markMade(conversation: Conversation, agent_id: string, session_id: string): Promise<void>;
}

function placeOf({ connector, tenant, channel, thread }: ConversationKey): string {
  return JSON.stringify([connector, tenant, channel, thread]);
}

/** Conversations of one channel share a lane. */
export function laneOf({ connector, tenant, channel }: ConversationKey): string {
  return JSON.stringify([connector, tenant, channel]);
}

/** Indexes that conversations need; safe to call at every start. */
export async function createConversationIndexes(db: Db): Promise<void> {
  await db
    .collection(CONVERSATIONS)
    .createIndex({ connector: 1, tenant: 1, channel: 1, thread: 1 }, { unique: true, name: 'place' });
}

export function createConversationStore(db: Db): ConversationStore {
  const conversations: Collection<Conversation> = db.collection(CONVERSATIONS, {
    writeConcern: { w: 'majority', journal: true },
  });

  const findByKey = createLots<ConversationKey, Conversation | null>(PER_EVENT, async (keys) => {
    const $or = keys.map(({ connector, tenant, channel, thread }) => ({ connector, tenant, channel, thread }));
    const found = new Map<string, Conversation>();
    for await (const conversation of conversations.find({ $or })) found.set(placeOf(conversation), conversation);
    return keys.map((key) => found.get(placeOf(key)) ?? null);
  });

  return {
    async open(key, workspace_id) {
      const known = await findByKey(key);
      if (known !== null) return known;
      const { connector, tenant, channel, thread } = key;
      const made: Conversation = {
        _id: newId('conv'),
        workspace_id,
        connector,
        tenant,
        channel,
        thread,
        created_at: new Date(),
        agent_id: null,
        sessions: {},
      };
      try {
        await conversations.insertOne(made);
        return made;
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        // The other first message made it.
        const theirs = await findByKey(key);
        if (theirs === null) throw error;
        return theirs;
      }
    },

    find: (conversation_id) => conversations.findOne({ _id: conversation_id }),

    findByKey,

    async workspaceOf(connector, tenant) {
      const found = await conversations.findOne({ connector, tenant }, { projection: { workspace_id: 1 } });
      return found?.workspace_id ?? null;
    },

    async reserve(conversation, agent_id, dead) {
      const known = conversation.sessions[agent_id];
      if (known !== undefined && known.session_id !== dead && conversation.agent_id === agent_id) return known;
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
  };
}
