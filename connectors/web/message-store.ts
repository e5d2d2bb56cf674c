import { randomBytes } from 'node:crypto';
import { BSON, type Collection, type Db, type Filter, type FindCursor } from 'mongodb';
import { ConflictError } from '../../src/errors.ts';
import { containing } from './conversation-store.ts';
import { isDuplicateOf } from './duplicate-key.ts';
import { type MessageDocument, messageIndexes } from './message-document.ts';
import type { MessageBody } from './wire.ts';

export type NewMessage = Pick<MessageDocument, 'author' | 'body'> &
  Partial<Pick<MessageDocument, 'delivery_id' | 'client_id' | 'audience'>>;

/**
 * Messages of web conversations. One dense sequence per conversation orders both creation (`seq`, fixed) and change
 * (`revision`, moves to the head with every edit). A writer takes head + 1 and a unique index makes the loser of a race
 * take the next one; so revision n + 1 is never visible before n, and a reader that asks for "later than n" misses
 * nothing. A counter document would hand out n + 1 while n is still on its way.
 */
export interface MessageStore {
  createIndexes(): Promise<void>;
  /** Stores a message once: the earlier one comes back when its delivery_id or client_id was used before. */
  add(conversationId: string, message: NewMessage): Promise<MessageDocument>;
  get(conversationId: string, id: string): Promise<MessageDocument | null>;
  findDelivery(conversationId: string, deliveryId: string): Promise<MessageDocument | null>;
  /** Replaces the body, at a new revision; an equal body changes nothing. Null when there is no such message. */
  setBody(conversationId: string, id: string, body: MessageBody): Promise<MessageDocument | null>;
  /** The next state of a live text. One that is final already stays as it is. Null when there is no such message. */
  setLiveText(conversationId: string, id: string, markdown: string): Promise<MessageDocument | null>;
  /** What became of a person's message. */
  setReceived(conversationId: string, id: string, refusal: string | null): Promise<MessageDocument | null>;
  /** People's messages stored before this time that no receiver has taken: the process died in between. */
  unreceived(before: Date): Promise<MessageDocument[]>;
  hasApproval(conversationId: string, approvalId: string): Promise<boolean>;
  countPendingApprovals(conversationId: string): Promise<number>;
  /** The highest revision, 0 when there is none. */
  head(conversationId: string): Promise<number>;
  /** What this person may see and has changed since, in order of change. */
  changedAfter(conversationId: string, personId: string, revision: number, limit: number): Promise<MessagePage>;
  /** What this person may see, the latest before `seq`, oldest first. */
  page(conversationId: string, personId: string, limit: number, beforeSeq?: number): Promise<MessagePage>;
  /** Those of the conversations whose texts contain these words, in any letter case. Gives up after 2 s. */
  search(conversationIds: string[], personId: string, text: string): Promise<string[]>;
}

/** As many messages as were asked for, unless they are heavy: then fewer, but one at least. */
export interface MessagePage {
  messages: MessageDocument[];
  /** There are more that way. */
  more: boolean;
}

const MOST_ATTEMPTS = 100;
/** What the messages of one page weigh together, as BSON; a single one has at most 32,000 characters. */
const MAX_PAGE_BYTES = 512 * 1024;

export function createMessageStore(db: Db, workspaceId: string): MessageStore {
  const messages: Collection<MessageDocument> = db.collection('web_messages', {
    writeConcern: { w: 'majority', journal: true },
  });
  const inConversation = (conversation_id: string) => ({ workspace_id: workspaceId, conversation_id });
  const visibleTo = (personId: string): Filter<MessageDocument> => ({ audience: { $in: [null, personId] } });

  async function head(conversationId: string): Promise<number> {
    const [last] = await messages
      .find(inConversation(conversationId), { projection: { revision: 1 } })
      .sort({ revision: -1 })
      .limit(1)
      .toArray();
    return last?.revision ?? 0;
  }

  /** Runs `write` with the next revision until no other writer has taken it first. */
  async function atNextRevision<T>(conversationId: string, write: (revision: number) => Promise<T>): Promise<T> {
    for (let attempt = 0; attempt < MOST_ATTEMPTS; attempt += 1) {
      const revision = (await head(conversationId)) + 1;
      try {
        return await write(revision);
      } catch (error) {
        if (!isDuplicateOf(error, 'revision') && !isDuplicateOf(error, 'seq')) throw error;
      }
    }
    throw new ConflictError(`Too many writers at once in conversation ${conversationId}.`);
  }

  async function earlier(conversationId: string, message: NewMessage): Promise<MessageDocument | null> {
    if (message.delivery_id !== undefined) {
      return messages.findOne({ workspace_id: workspaceId, delivery_id: message.delivery_id });
    }
    if (message.client_id === undefined || message.author.kind !== 'person') return null;
    return messages.findOne({
      ...inConversation(conversationId),
      'author.id': message.author.id,
      client_id: message.client_id,
    });
  }

  async function update(conversationId: string, filter: Filter<MessageDocument>, change: Partial<MessageDocument>) {
    return atNextRevision(conversationId, (revision) =>
      messages.findOneAndUpdate(
        { ...inConversation(conversationId), ...filter },
        { $set: { ...change, revision } },
        { returnDocument: 'after' },
      ),
    );
  }

  return {
    head,

    async createIndexes() {
      await messages.createIndexes(messageIndexes);
    },

    async add(conversationId, message) {
      const created_at = new Date();
      const id = `msg_${randomBytes(16).toString('hex')}`;
      try {
        return await atNextRevision(conversationId, async (revision) => {
          const document: MessageDocument = {
            _id: id,
            ...inConversation(conversationId),
            seq: revision,
            revision,
            audience: null,
            ...message,
            created_at,
            refusal: null,
            received: message.author.kind === 'agent',
          };
          await messages.insertOne(document);
          return document;
        });
      } catch (error) {
        const found =
          isDuplicateOf(error, 'delivery_id') || isDuplicateOf(error, 'client_id')
            ? await earlier(conversationId, message)
            : null;
        if (found === null) throw error;
        return found;
      }
    },

    get: (conversationId, id) => messages.findOne({ ...inConversation(conversationId), _id: id }),

    findDelivery: (conversationId, delivery_id) => messages.findOne({ ...inConversation(conversationId), delivery_id }),

    async setBody(conversationId, id, body) {
      const found = await this.get(conversationId, id);
      if (found === null || JSON.stringify(found.body) === JSON.stringify(body)) return found;
      return update(conversationId, { _id: id }, { body });
    },

    async setLiveText(conversationId, id, markdown) {
      const body: MessageBody = { kind: 'text', markdown, live: true };
      const changed = await update(conversationId, { _id: id, 'body.live': true }, { body });
      return changed ?? this.get(conversationId, id);
    },

    async setReceived(conversationId, id, refusal) {
      if (refusal !== null) return update(conversationId, { _id: id }, { received: true, refusal });
      return messages.findOneAndUpdate(
        { ...inConversation(conversationId), _id: id },
        { $set: { received: true } },
        { returnDocument: 'after' },
      );
    },

    unreceived: (before) =>
      messages
        .find({ workspace_id: workspaceId, received: false, created_at: { $lt: before } })
        .sort({ created_at: 1 })
        .limit(1_000)
        .toArray(),

    async hasApproval(conversationId, approvalId) {
      const card = { 'body.kind': 'approval' as const, 'body.card.approval_id': approvalId };
      return (await messages.countDocuments({ ...inConversation(conversationId), ...card }, { limit: 1 })) > 0;
    },

    countPendingApprovals: (conversationId) =>
      messages.countDocuments({
        ...inConversation(conversationId),
        'body.kind': 'approval',
        'body.card.state.status': 'pending',
      }),

    changedAfter: (conversationId, personId, revision, limit) =>
      readPage(
        messages
          .find({ ...inConversation(conversationId), revision: { $gt: revision }, ...visibleTo(personId) })
          .sort({ revision: 1 }),
        limit,
      ),

    async page(conversationId, personId, limit, beforeSeq) {
      const latest = messages
        .find({
          ...inConversation(conversationId),
          ...(beforeSeq !== undefined && { seq: { $lt: beforeSeq } }),
          ...visibleTo(personId),
        })
        .sort({ seq: -1 });
      const found = await readPage(latest, limit);
      return { ...found, messages: found.messages.toReversed() };
    },

    search: (conversationIds, personId, text) =>
      messages.distinct(
        'conversation_id',
        {
          workspace_id: workspaceId,
          conversation_id: { $in: conversationIds },
          'body.markdown': containing(text),
          ...visibleTo(personId),
        },
        { maxTimeMS: 2_000 },
      ),
  };
}

async function readPage(cursor: FindCursor<MessageDocument>, limit: number): Promise<MessagePage> {
  const messages: MessageDocument[] = [];
  let bytes = 0;
  // One more says that there is more; a page of common size comes in one answer.
  for await (const message of cursor.limit(limit + 1).batchSize(limit + 1)) {
    bytes += BSON.calculateObjectSize(message);
    if (messages.length === limit || (bytes > MAX_PAGE_BYTES && messages.length > 0)) return { messages, more: true };
    messages.push(message);
  }
  return { messages, more: false };
}
