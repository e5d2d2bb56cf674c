import type { ApprovalCard, ToolActivity } from '../../src/chat/outgoing.ts';
import type { Person } from '../../src/chat/place.ts';

/**
 * What the web connector and its page say to each other: the JSON of `/web/…` and of the event stream.
 * Types only, so that the page can import them without importing any of the server.
 */

export type { ApprovalCard, Person, ToolActivity };

/** `GET /web/session`: who is asking and what the sign-in form must ask for. */
export interface SessionInfo {
  /** Null when nobody is signed in. */
  person: Person | null;
  /** The API key is needed beside a name. */
  key_required: boolean;
  /** A scripted stand-in answers instead of Claude. */
  stand_in: boolean;
  /** Things to try, shown while a conversation is empty. */
  examples: Example[];
}

export interface Example {
  title: string;
  prompt: string;
}

export interface AgentChoice {
  id: string;
  name: string;
  description: string;
}

export interface ConversationSummary {
  id: string;
  /** From the first message; null while there is none. */
  title: string | null;
  /** The agent picked at the start; null means the workspace's default. */
  agent: { id: string; name: string } | null;
  people: Person[];
  created_at: string;
  /** The last message, from a person or an agent. Lists are in this order, newest first. */
  updated_at: string;
  /** What the agent is doing now, or null when it is not working. */
  status: string | null;
  /** Approvals that wait for a decision. */
  waiting: number;
  /** Grows with every change above; summaries may overtake each other, the highest one is true. */
  revision: number;
}

export type Author = { kind: 'person'; id: string; name: string } | { kind: 'agent'; name: string };

export type MessageBody =
  | { kind: 'text'; markdown: string; live: boolean }
  | { kind: 'notice'; level: 'info' | 'error'; markdown: string }
  | { kind: 'approval'; card: ApprovalCard }
  | { kind: 'activity'; activity: ToolActivity }
  /** `path` is where the agent left it, when that says more than its name. */
  | { kind: 'file'; file: FileLink; path: string }
  /** Only the person it is meant for receives it. */
  | { kind: 'whisper'; markdown: string };

export interface FileLink {
  name: string;
  /** Where its bytes are, on this server. */
  href: string;
  mime_type: string;
  size_bytes: number;
}

export interface WebMessage {
  id: string;
  /** Place in the thread; never changes. */
  seq: number;
  /** Grows with every change of any message in the conversation; the highest one seen is where a stream resumes. */
  revision: number;
  author: Author;
  body: MessageBody;
  created_at: string;
  /** Set by the page that sent it, so that it recognises its own message; null on an agent's. */
  client_id: string | null;
  /** Why the message was not taken, in words; null when it was. */
  refusal: string | null;
}

/** `GET /web/conversations/:id` */
export interface ConversationDetail {
  conversation: ConversationSummary;
  /** Oldest first. */
  messages: WebMessage[];
  /** Older messages exist before the first one here. */
  earlier: boolean;
  /** Pass as `after` to the event stream: everything later than what is here. */
  cursor: number;
}

export interface Page<T> {
  data: T[];
  /** Pass as `before` for the next page; null on the last. */
  next: string | null;
}

/** The answer to a message, a decision or a stop. `text` is a sentence for that person, or null. */
export interface ReceiptBody {
  effect: 'accepted' | 'duplicate' | 'ignored' | 'refused';
  text: string | null;
}

/** `GET /web/conversations/:id/approvals/:approval`, for whoever may see them. */
export interface DetailsBody {
  summary: string;
  why: string | null;
  /** Every argument as it is. */
  detail: string;
}

export interface PostedMessage {
  message: WebMessage;
  receipt: ReceiptBody;
}

export interface ErrorBody {
  error: { code: string; message: string; path?: string };
}

/** Names and payloads of the event stream, `GET /web/events?conversation=…&after=…`. */
export interface StreamEvents {
  /** A new or changed message; put it in place of the one with its id. Carries its revision as the event's id. */
  message: WebMessage;
  /** More of a live text. Applies only where the text known so far is `from` UTF-16 units long; else wait for `message`. */
  delta: { message_id: string; from: number; text: string };
  /** A new or changed entry of this person's list, the open conversation included. */
  conversation: ConversationSummary;
  /** All that was stored before the stream opened has been sent. */
  ready: { cursor: number };
  /** Sent regularly so that a dead connection is noticed. */
  ping: Record<string, never>;
  /** The session ended (signed out or expired): sign in again. */
  signed_out: Record<string, never>;
}
