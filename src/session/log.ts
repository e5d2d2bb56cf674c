import type { Actor, EventType, LogEntry, NewEntry, SessionStatus, StopReason } from './event.ts';
import type { LogPage } from './log-page.ts';

/** A session by name. Both are checked in every query: another workspace's session does not exist. */
export interface SessionRef {
  workspace_id: string;
  session_id: string;
}

/** The right to be a session's brain. `token` grows with every change of hands and fences every append. */
export interface Lease extends SessionRef {
  token: number;
  holder: string;
}

/** What is known of a log without reading it. */
export interface LogHead {
  /** The last event's sequence number; 0 for an empty log. */
  seq: number;
  status: SessionStatus;
  stop_reason: StopReason | null;
  /** The log holds input that no turn has taken up: a turn must run. */
  owed: boolean;
  lease_token: number;
}

/** Most that one append holds, as BSON: MongoDB's documents end at 16 MiB, and a tail shares one with its session. */
export const MAX_APPEND_BYTES = 8 * 1024 * 1024;

export interface Append extends SessionRef {
  /** The last sequence number the caller saw. */
  after: number;
  entries: NewEntry[];
  /** Set: only if this lease is still held. Absent: for inputs, which anybody may append. */
  lease?: Lease;
  /** Whether a turn is owed from here on. Absent: unchanged. */
  owed?: boolean;
  /** Only while the session takes inputs. */
  open?: boolean;
  /** Give the lease back in the same write. */
  release?: boolean;
  /** What else the same write sets on the session's document, whose fields but `log` belong to whoever made it. */
  set?: Record<string, unknown>;
}

export interface EventQuery extends SessionRef {
  types?: readonly EventType[];
  /** Without `types`, Deckhand's own events are left out. */
  include_internal?: boolean;
  after_seq?: number;
  before_seq?: number;
  created?: { gt?: Date; gte?: Date; lt?: Date; lte?: Date };
  order: 'asc' | 'desc';
  limit: number;
}

/**
 * The append-only log of a session: the only truth.
 *
 * - An append of k events lands whole or not at all, and only if the caller saw the last sequence number and, when it
 *   names a lease, still holds it.
 * - Acknowledged means journaled.
 * - Readers see every acknowledged append, in order, without gaps.
 */
export interface SessionLog {
  /** @throws NotFoundError */
  head(ref: SessionRef): Promise<LogHead>;
  /** The last sequence number of each of these, by session id; of one that is gone there is none. */
  standing(refs: readonly SessionRef[]): Promise<Map<string, number>>;
  /** All entries after `after`, oldest first, however many. @throws NotFoundError */
  read(ref: SessionRef, after?: number): Promise<LogEntry[]>;
  /** A page of them (see log-page.ts), of at most `limit`; `pagesAfter` goes on. @throws NotFoundError */
  readPage(ref: SessionRef, after: number, limit: number): Promise<LogPage>;
  /** A page of the log, filtered, either way round. @throws NotFoundError */
  list(query: EventQuery): Promise<LogPage>;
  /** Events by their ids, in no order: one at least when the log holds any of them, and no more than a page. @throws NotFoundError */
  find(ref: SessionRef, ids: readonly string[]): Promise<LogEntry[]>;
  /** The entries of `list`, for who looks no further. @throws NotFoundError */
  query(query: EventQuery): Promise<LogEntry[]>;
  /** @throws LogMovedError, LeaseLostError, NotFoundError, SessionClosedError, InvalidInputError (over the size limit) */
  append(append: Append): Promise<LogEntry[]>;
  /**
   * Append inputs after whatever stands there, marking a turn as owed.
   * @throws NotFoundError, InvalidInputError, SessionClosedError
   */
  appendInputs(ref: SessionRef, entries: NewEntry[]): Promise<LogEntry[]>;
  /**
   * Become the session's brain for `ttl_ms`, unless somebody else is: then null. The clock is the database's. An `opening`
   * lands in the same write where it still fits, and else not at all. A `free` lease is nobody's; a lost one has run out.
   */
  claim(
    ref: SessionRef,
    holder: string,
    ttl_ms: number,
    opening?: Opening | null,
    which?: ClaimableLease,
  ): Promise<Claimed | null>;
  /** The head as it is now, so that a holder also learns of inputs whose hint was lost. Null: taken over; stop. */
  renew(lease: Lease, ttl_ms: number): Promise<LogHead | null>;
  /** Give the lease back. A lease that is already somebody else's is left alone. */
  release(lease: Lease): Promise<void>;
  /** Sessions that are owed a turn and that nobody holds: what the sweep enqueues. By id, at most `limit`, after `after`. */
  owed(limit: number, after?: string | null): Promise<LaneSession[]>;
  /** Everything up to `seq` is shown in the conversation. False: the log has moved on since. */
  delivered(ref: SessionRef, seq: number): Promise<boolean>;
  /** Sessions whose last append may not be shown yet: what delivery looks at after a restart. As `owed` gives them. */
  undelivered(limit: number, after?: string | null): Promise<LaneSession[]>;
}

/** A session and its lane: the chat channel it lives in, or its workspace's API. What a lane floods, its own wait for. */
export interface LaneSession extends SessionRef {
  lane: string;
}

/** What a brain appends as it claims, if the log stands as it expects: a turn that knows how it begins saves a write. */
export interface Opening {
  /** Where the log must stand. */
  after: number;
  /** Up to where the brain knows the log already: only what follows comes back. */
  knows: number;
  entries: NewEntry[];
  /** What else must hold of the session's document, whose fields but `log` belong to whoever made it. */
  where: Record<string, null>;
}

export type ClaimableLease = 'free' | 'free_or_lost';

export interface Claimed {
  lease: Lease;
  head: LogHead;
  /** The lease was taken from a holder that let it run out: its worker is lost or stuck. */
  taken_over: boolean;
  /** The opening has landed: it is the last of `latest`. */
  opened: boolean;
  /** The log's latest entries, up to the head: a worker that knows what comes before them need not read. */
  latest: LogEntry[];
  /** The session's document as it was claimed. All but its `log` belongs to whoever made it. */
  document: object;
}

/** Told after each append, so that others wake up; losing it costs only time. */
export interface AppendListener {
  appended(session: LaneSession, entries: LogEntry[], owed: boolean, watchers: Watchers): void;
}

/** Who else looks at a session, as of an append. */
export interface Watchers {
  /** Its brain; null when nobody is. One whose `until` has passed is lost. */
  brain: { holder: string; until: Date } | null;
  /** It is shown in a conversation. */
  in_conversation: boolean;
}

export const DECKHAND: Actor = { via: 'deckhand', id: 'deckhand', name: 'Deckhand' };
