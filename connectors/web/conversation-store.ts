import type { Collection, Db, Filter, UpdateFilter, WithId } from 'mongodb';
import type { Person } from '../../src/chat/place.ts';
import { createConversationId } from './conversation-id.ts';
import { isDuplicateOf } from './duplicate-key.ts';
import type { ConversationSummary, Page } from './wire.ts';

export interface ConversationDocument {
  _id: string;
  workspace_id: string;
  /** Unique per creator: a retried create finds the first one. */
  client_id: string;
  title: string | null;
  agent: { id: string; name: string } | null;
  created_by: Person;
  people: Person[];
  created_at: Date;
  updated_at: Date;
  status: string | null;
  waiting: number;
  revision: number;
}

export interface ConversationStore {
  createIndexes(): Promise<void>;
  /** The one already made when this person's `client_id` was used before. */
  create(request: {
    client_id: string;
    person: Person;
    agent: ConversationSummary['agent'];
  }): Promise<ConversationSummary>;
  get(id: string): Promise<ConversationSummary | null>;
  /** Adds the person to the conversation; null when there is none with this id. */
  join(id: string, person: Person): Promise<ConversationSummary | null>;
  /** Conversations this person is in, newest first. `ids` (from a text search) widens a title search. */
  list(request: ListRequest): Promise<Page<ConversationSummary>>;
  /** Ids of all conversations this person is in, newest first, at most 1,000. */
  idsOf(personId: string): Promise<string[]>;
  /** A message came: move to the top of the list, and take a title if there is none. Null when there is no conversation. */
  touch(id: string, title?: string): Promise<ConversationSummary | null>;
  /** Null when nothing changed or there is no such conversation. */
  setStatus(id: string, status: string | null): Promise<ConversationSummary | null>;
  setWaiting(id: string, waiting: number): Promise<ConversationSummary | null>;
}

interface ListRequest {
  person_id: string;
  limit: number;
  /** `next` of the page before. */
  before?: string;
  search?: { text: string; ids: string[] };
}

export function createConversationStore(db: Db, workspaceId: string): ConversationStore {
  const conversations: Collection<ConversationDocument> = db.collection('web_conversations', {
    writeConcern: { w: 'majority', journal: true },
  });
  const own = { workspace_id: workspaceId };

  /** Every change goes through here and counts, so that of two summaries the later one is known. */
  async function change(
    filter: Filter<ConversationDocument>,
    update: UpdateFilter<ConversationDocument>,
  ): Promise<ConversationSummary | null> {
    const counted = { ...update, $inc: { revision: 1 } };
    const changed = await conversations.findOneAndUpdate({ ...filter, ...own }, counted, { returnDocument: 'after' });
    return changed && summaryOf(changed);
  }

  return {
    async createIndexes() {
      await conversations.createIndexes([
        { key: { workspace_id: 1, 'created_by.id': 1, client_id: 1 }, name: 'client_id', unique: true },
        { key: { workspace_id: 1, 'people.id': 1, updated_at: -1, _id: -1 }, name: 'list' },
      ]);
    },

    async create({ client_id, person, agent }) {
      const now = new Date();
      const document: ConversationDocument = {
        _id: createConversationId(),
        ...own,
        client_id,
        title: null,
        agent,
        created_by: person,
        people: [person],
        created_at: now,
        updated_at: now,
        status: null,
        waiting: 0,
        revision: 1,
      };
      try {
        await conversations.insertOne(document);
        return summaryOf(document);
      } catch (error) {
        const earlier = isDuplicateOf(error, 'client_id')
          ? await conversations.findOne({ ...own, 'created_by.id': person.id, client_id })
          : null;
        if (earlier === null) throw error;
        return summaryOf(earlier);
      }
    },

    async get(id) {
      const found = await conversations.findOne({ _id: id, ...own });
      return found && summaryOf(found);
    },

    async join(id, person) {
      const { id: person_id, name } = person;
      await change({ _id: id, 'people.id': { $ne: person_id } }, { $push: { people: { id: person_id, name } } });
      return this.get(id);
    },

    async list({ person_id, limit, before, search }) {
      const found = await conversations
        .find({
          ...own,
          'people.id': person_id,
          ...(search && { $and: [{ $or: [{ title: containing(search.text) }, { _id: { $in: search.ids } }] }] }),
          ...olderThan(before),
        })
        .sort({ updated_at: -1, _id: -1 })
        .limit(limit + 1)
        .toArray();
      const page = found.slice(0, limit);
      const last = page.at(-1);
      return {
        data: page.map(summaryOf),
        next: found.length > limit && last ? `${last.updated_at.getTime()}.${last._id}` : null,
      };
    },

    async idsOf(personId) {
      const found = await conversations
        .find({ ...own, 'people.id': personId }, { projection: { _id: 1 } })
        .sort({ updated_at: -1, _id: -1 })
        .limit(1_000)
        .toArray();
      return found.map((conversation) => conversation._id);
    },

    async touch(id, title) {
      if (title !== undefined) await change({ _id: id, title: null }, { $set: { title } });
      return change({ _id: id }, { $max: { updated_at: new Date() } });
    },

    setStatus: (id, status) => change({ _id: id, status: { $ne: status } }, { $set: { status } }),

    setWaiting: (id, waiting) => change({ _id: id }, { $set: { waiting } }),
  };
}

function summaryOf(document: WithId<ConversationDocument>): ConversationSummary {
  return {
    id: document._id,
    title: document.title,
    agent: document.agent,
    people: document.people,
    created_at: document.created_at.toISOString(),
    updated_at: document.updated_at.toISOString(),
    status: document.status,
    waiting: document.waiting,
    revision: document.revision,
  };
}

/** Matches text that contains these characters, whatever they are, in any letter case. */
export function containing(text: string): RegExp {
  // MongoDB takes no NUL in a pattern, but the four characters that stand for it.
  return new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&').replaceAll('\0', '\\x00'), 'i');
}

/** The place after a page: `<updated_at in ms>.<id>`; anything else starts at the top. */
function olderThan(before: string | undefined): object {
  const match = /^(\d{1,15})\.(conv_[0-9a-f]{32})$/.exec(before ?? '');
  if (match === null) return {};
  const at = new Date(Number(match[1]));
  return { $or: [{ updated_at: { $lt: at } }, { updated_at: at, _id: { $lt: match[2] } }] };
}
