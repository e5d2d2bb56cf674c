import type { IndexDescription } from 'mongodb';
import type { Author, MessageBody, WebMessage } from './wire.ts';

/** A message of a web conversation as MongoDB keeps it, in `web_messages`. */
export interface MessageDocument {
  _id: string;
  workspace_id: string;
  conversation_id: string;
  seq: number;
  revision: number;
  /** Agent posts only. Unique: a delivery cannot be posted twice. */
  delivery_id?: string;
  /** People's posts only. Unique per conversation and author: a retry cannot be posted twice. */
  client_id?: string;
  author: Author;
  /** The one person who may see it; null: everybody. */
  audience: string | null;
  body: MessageBody;
  created_at: Date;
  refusal: string | null;
  /** False until the receiver has taken a person's message; see `unreceived`. */
  received: boolean;
}

export const messageIndexes: IndexDescription[] = [
  { key: { workspace_id: 1, conversation_id: 1, seq: 1 }, name: 'seq', unique: true },
  { key: { workspace_id: 1, conversation_id: 1, revision: 1 }, name: 'revision', unique: true },
  {
    key: { workspace_id: 1, delivery_id: 1 },
    name: 'delivery_id',
    unique: true,
    partialFilterExpression: { delivery_id: { $exists: true } },
  },
  {
    key: { workspace_id: 1, conversation_id: 1, 'author.id': 1, client_id: 1 },
    name: 'client_id',
    unique: true,
    partialFilterExpression: { client_id: { $exists: true } },
  },
  {
    key: { workspace_id: 1, created_at: 1 },
    name: 'unreceived',
    partialFilterExpression: { received: false },
  },
  {
    key: { workspace_id: 1, conversation_id: 1, 'body.card.approval_id': 1 },
    name: 'approval',
    partialFilterExpression: { 'body.kind': 'approval' },
  },
];

/** As the page sees it. */
export function wireMessage(document: MessageDocument): WebMessage {
  return {
    id: document._id,
    seq: document.seq,
    revision: document.revision,
    author: document.author,
    body: document.body,
    created_at: document.created_at.toISOString(),
    client_id: document.client_id ?? null,
    refusal: document.refusal,
  };
}
