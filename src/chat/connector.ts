import type { InboundFile, Receiver } from './inbound.ts';
import type { Outgoing } from './outgoing.ts';
import type { ConversationKey, Mention, Person } from './place.ts';

/** A posted message: what `edit` needs to change it. Opaque, stored with the delivery. */
export type PostRef = string;

/**
 * What the agent is at, and what its session is called. `working` and `asking` (a person, who has not answered yet) say it
 * in words; `resting`: it waits to be spoken to; `ended`: the session takes nothing more.
 */
export type Status = ({ state: 'working' | 'asking'; text: string } | { state: 'resting' | 'ended' }) & {
  title?: string;
};

/** What somebody asks an agent, as everybody there is to see it. */
export interface Question {
  delivery_id: string;
  markdown: string;
  /** When it was asked: it was not shown before. */
  since: Date;
}

/** Where somebody can be asked: one place for each person, or a channel. */
export interface Reached {
  /** `person`: whose own place it is; absent: a channel. */
  places: { conversation: ConversationKey; person?: string }[];
  /** How many members of a group are not asked because they are too many. */
  left_out: number;
  /** Some of them are in the conversation that `outside_of` named, and have no place here. */
  present?: true;
}

/** Who is in a conversation, looked up as far as somebody is asked for, and each part of it once. */
export interface Audience {
  readonly conversation: ConversationKey;
  /** Those of these people who are known to be there. Same errors as `Connector.post`. */
  among(people: readonly string[], signal: AbortSignal): Promise<ReadonlySet<string>>;
}

/**
 * A connector is one chat platform: it parses what arrives into the kinds of inbound.ts and renders what leaves, the kinds of
 * outgoing.ts. It knows nothing of sessions, queues or agents; chat/receive.ts and chat/deliver.ts know nothing of any platform.
 */
export interface Connector {
  readonly name: string;
  readonly limits: {
    /** Characters of markdown one message may carry; longer text is split before `post`. */
    text: number;
    /** Least time between two edits of one live message, and of all once the platform says that they are too many. */
    edit_interval_ms: number;
    /** Edits of live messages that one workspace takes, of all conversations together; absent: as many as there are. */
    live_edits_per_second?: number;
    /** Least time between two posts in one channel once the platform says that they are too many. */
    post_interval_ms: number;
    /** Of a text that needs more posts than this, so many are made, and a `file` has the whole; absent: it takes no files. */
    posts_before_file?: number;
    /** Calls that one message of kind `plan` shows; a platform without it shows none so. */
    plan_size?: number;
  };
  /**
   * How long a message may grow in this conversation, in ms: what follows goes on in another. Null or absent: for as long
   * as it likes.
   */
  growsFor?(conversation: ConversationKey): number | null;
  /** It shows each call of a tool as a message of its own (`activity`). `text`, `notice` and `approval` are always shown. */
  readonly shows_activity: boolean;
  /**
   * Each conversation is its people's alone, and its address opens it. Absent: what is said in a channel is for everybody
   * in that channel, and the platform decides who may open it.
   */
  readonly closed_conversations?: true;
  /** Only one person can be in this conversation, beside the bot. Absent: others may be. */
  isDirect?(conversation: ConversationKey): boolean;

  /** The workspace that a tenant belongs to. Null or absent: to the default one. */
  workspaceOf?(tenant: string): Promise<string | null>;

  /** Begin receiving. Resolves when the connection stands. */
  start(receiver: Receiver): Promise<void>;
  /**
   * Stop receiving; resolves when nothing inbound is in flight, or after `patience_ms`: what then still waits is let go
   * without an acknowledgement, or without its receipt when it was kept.
   */
  stop(patience_ms: number): Promise<void>;

  /**
   * What this person is called. Never rejects: the platform may be asked, and the id will do when it does not answer.
   * Here and below, `tenant` is the one that asks; null: something of another platform's, which has no tenant here.
   */
  nameOf(person: Person, tenant: string | null): Promise<string>;
  /**
   * Whether this person is a guest here, which who is not known counts as; absent: the platform knows none. Never rejects.
   * Null: the platform does not say it just now.
   */
  isGuest?(person: Person, tenant: string): Promise<boolean | null>;
  /** User groups, on a platform that has them. */
  readonly groups?: UserGroups;
  /** A message's text as markdown, with the bot's own mention removed and people by their names. As `nameOf`. */
  readable(text: string, tenant: string): Promise<string>;

  /**
   * Post a new message and return its reference.
   * @throws RateLimitedError when the platform says to wait; PostRefusedError when it will never take this message;
   *   anything else means the outcome is unknown: the caller looks it up with `find` before posting again.
   */
  post(conversation: ConversationKey, outgoing: Outgoing, signal: AbortSignal): Promise<PostRef>;
  /**
   * What was said in a conversation before some message. Absent: whatever is said there is said to the agent. Errors as
   * `post`: refused is what will not be shown later either.
   */
  history?(conversation: ConversationKey, range: HistoryRange, signal: AbortSignal): Promise<History>;
  /**
   * What somebody attached to a message, as the platform has it now. Absent: nothing can be attached. `content` too may
   * throw all of this.
   * @throws FileUnavailableError for what will not be had later either; RateLimitedError; anything else may pass
   */
  openFile?(conversation: ConversationKey, file: InboundFile, signal: AbortSignal): Promise<OpenedFile>;
  /** Replace a message's content. Same errors as `post`; a repeat is harmless. */
  edit(conversation: ConversationKey, ref: PostRef, outgoing: Outgoing, signal: AbortSignal): Promise<void>;
  /**
   * The message that carries this delivery id, or null when there is none. `since`: it was not posted before, by the
   * clock of whoever claimed it; absent: nobody knows.
   */
  find(conversation: ConversationKey, deliveryId: string, signal: AbortSignal, since?: Date): Promise<PostRef | null>;
  /** Same errors as `post`, for what would be wrong until the next one; a repeat is harmless. */
  setStatus(conversation: ConversationKey, status: Status, signal: AbortSignal): Promise<void>;
  /**
   * Show that somebody asks an agent something, once however often it is repeated, and return the conversation that the
   * answer belongs to. Absent: people ask by writing. Same errors as `post`.
   */
  ask?(conversation: ConversationKey, question: Question, signal: AbortSignal): Promise<ConversationKey>;
  /** An address that opens this conversation; null where there is none. */
  linkTo?(conversation: ConversationKey): string | null;
  /** What a refusal's reason means, for people: the end of a sentence. Absent: the reason as it is. */
  inWords?(reason: string): string;
  /**
   * Mark somebody's message as heard while the agent is at something else, or take the mark off. A repeat changes nothing,
   * and a message that is gone needs none. Absent: the platform has no marks. Same errors as `post`.
   */
  react?(conversation: ConversationKey, message_id: string, on: boolean, signal: AbortSignal): Promise<void>;
  /** Say something to one person only, in the conversation. Best effort. */
  whisper(conversation: ConversationKey, person: Person, markdown: string, signal: AbortSignal): Promise<void>;

  /**
   * What these see on a page of their own is out of date: something waits for their decision or no longer does, or their run
   * began or ended. Never waits, never throws; a repeat costs little. Absent: it has no such pages, or they follow by themselves.
   */
  changed?(concerned: readonly Mention[], tenant: string | null): void;

  /**
   * The places in which these can be asked something: a person's own, a channel, each member's of a group. Who is known to be
   * in the conversation `outside_of` is left out, because they hear of it there. Absent: nobody can be reached who is not in
   * a conversation. Same errors as `post`.
   */
  reach?(target: Mention, at: { tenant: string | null; outside_of?: Audience }, signal: AbortSignal): Promise<Reached>;
  /** For one question: what it tells is as of when it was first asked for. Absent: nobody knows who is in a conversation. */
  audienceOf?(conversation: ConversationKey): Audience;
  /** The address of a message, for people who may open it; null when it has none. Same errors as `post`. */
  permalinkOf?(conversation: ConversationKey, ref: PostRef, signal: AbortSignal): Promise<string | null>;
}

/** Which of a conversation's messages are asked for: the latest that fit, and of each its beginning. */
export interface HistoryRange {
  /** What was said before this message, which itself is left out; null: all that there is. */
  before: string | null;
  /** Only what was said after this message; null: from the first on. */
  after: string | null;
  /** The bot's own messages too. */
  own: boolean;
  /** Most messages, most characters of all their texts, and of one. */
  messages: number;
  characters: number;
  text: number;
}

export interface History {
  /** Oldest first. */
  messages: SaidBefore[];
  /** How many older ones there are that did not fit. */
  left_out: number;
  /** There may be more of these: not all were counted. */
  left_out_or_more?: true;
  /** The platform gave no more than these for now: later ones are missing. */
  cut_short?: true;
}

export interface SaidBefore {
  message_id: string;
  /** `self` is the bot. */
  from: 'person' | 'bot' | 'self';
  /** As the platform calls them. */
  name: string;
  /** Markdown, with the names of attached files. */
  text: string;
  /** What is attached to it; absent: nothing. `size_bytes` is null where the platform does not say it. */
  files?: (Pick<InboundFile, 'id' | 'name'> & { size_bytes: number | null })[];
  /** ISO. */
  at: string;
}

export interface OpenedFile {
  name: string;
  /** As the platform says; empty when it does not. */
  mime_type: string;
  /** As the platform says; null when it does not. */
  size_bytes: number | null;
  /** Its bytes, as fast as they are taken. */
  content(): AsyncIterable<Uint8Array>;
}

/** Groups of people that somebody on the platform keeps. Nothing here rejects: a platform that does not answer knows nothing. */
export interface UserGroups {
  /** What it is called; its id when that is not known. */
  nameOf(group: string, tenant: string | null): Promise<string>;
  /** Whether this person is in it, as of a minute ago at most; null: the platform does not say now. They asked in `at`. */
  includes(group: string, person: Person, at: Pick<ConversationKey, 'tenant' | 'channel'>): Promise<boolean | null>;
}

/** The platform asked us to wait. */
export class RateLimitedError extends Error {
  readonly retry_after_ms: number;

  constructor(retryAfterMs: number, options?: ErrorOptions) {
    super(`Rate limited for ${retryAfterMs} ms`, options);
    this.name = 'RateLimitedError';
    this.retry_after_ms = retryAfterMs;
  }
}

/** The platform refused this message for good (too long, channel gone, not a member). `reason` is the platform's word. */
export class PostRefusedError extends Error {
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    super(`The platform refused the message: ${reason}`, options);
    this.name = 'PostRefusedError';
    this.reason = reason;
  }
}

/** A file that was to be posted is not kept any more. */
export class FileGoneError extends PostRefusedError {
  constructor() {
    super('it was deleted before');
    this.name = 'FileGoneError';
  }
}

/** The connector did not even ask: so many calls came in a minute that the platform would refuse those that matter more. */
export class TooOftenError extends PostRefusedError {
  constructor() {
    super('too many messages came in this minute');
    this.name = 'TooOftenError';
  }
}

/** An attached file cannot be had, for a reason that stays. */
export class FileUnavailableError extends Error {
  /** The end of a sentence for people: `it was deleted`. */
  readonly reason: string;

  constructor(reason: string, options?: ErrorOptions) {
    super(`A file cannot be had: ${reason}`, options);
    this.name = 'FileUnavailableError';
    this.reason = reason;
  }
}
