import type { BetaManagedAgentsSessionUsageSnapshot } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { isDeckhandEvent, type LogEntry, type SessionStatus, type StopReason } from './event.ts';
import type { LogHead, SessionRef } from './log.ts';

/**
 * How a log lies in MongoDB. The session's document holds the head and the *tail*: the latest entries, whole. One update
 * moves the head, adds to the tail and checks sequence number and lease, so an append is atomic without transactions.
 * When the tail has grown heavy, and before a list is read, its entries are copied into `session_events`, one document
 * each, and then leave the tail. So every entry stands in the tail, in a document of its own, or for a moment in both.
 */
export interface LogFields {
  /** What shares workers and deliveries fairly with others: see `LaneSession`. */
  lane: string;
  seq: number;
  /** The entries up to `seq`; which is whose follows from their order, so that an append need not know the head. */
  tail: TailEntry[];
  /** What the tail weighs as BSON; at most `MAX_TAIL_BYTES`. */
  tail_bytes: number;
  owed: boolean;
  /** The last append is not yet shown in the conversation; cleared by delivery. */
  undelivered: boolean;
  /** Whether there is a conversation to show it in. */
  in_conversation: boolean;
  /** Archived or terminated: no more inputs. */
  closed: boolean;
  status: SessionStatus;
  stop_reason: StopReason | null;
  /** The last `session.usage` snapshot. */
  usage: BetaManagedAgentsSessionUsageSnapshot | null;
  last_event_at: Date | null;
  /**
   * What the session had cost in all, in cents at list price, by the end of each month (UTC, `2026-11`) in which it used
   * anything. A month has cost what lies between it and the one before. Sessions of before this was kept begin later.
   */
  spent_by?: Record<string, number>;
  /** The latest of these months; empty: none yet. */
  spent_in?: string;
  /** The latest question that a turn asked people or withdrew (its approval's id), until its record says so; absent: all do. */
  unrecorded?: string;
  lease: LeaseFields;
}

export type TailEntry = Omit<LogEntry, 'seq'>;

export interface LeaseFields {
  token: number;
  holder: string | null;
  /** By the database's clock. */
  until: Date | null;
}

/** The part of a session's document that the log owns. */
export interface LoggedDocument {
  _id: string;
  workspace_id: string;
  log: LogFields;
}

export interface EventDocument {
  _id: string;
  workspace_id: string;
  session_id: string;
  seq: number;
  created_at: Date;
  type: string;
  /** Set on Deckhand's own events, so that a list that leaves them out need not look at them. */
  internal?: true;
  event: LogEntry['event'];
  by?: LogEntry['by'];
  message_id?: LogEntry['message_id'];
  tells?: LogEntry['tells'];
}

/** Where a new session's log begins. */
export function emptyLog(lane = '', in_conversation = false): LogFields {
  return {
    lane,
    seq: 0,
    tail: [],
    tail_bytes: 0,
    owed: false,
    undelivered: false,
    in_conversation,
    closed: false,
    status: 'idle',
    stop_reason: null,
    usage: null,
    last_event_at: null,
    spent_by: {},
    spent_in: '',
    lease: { token: 0, holder: null, until: null },
  };
}

/** As `spent_by` names it. */
export function monthOf(at: Date): string {
  return at.toISOString().slice(0, 7);
}

/** The tail's entries in their places. */
export function entriesOf({ seq, tail }: Pick<LogFields, 'seq' | 'tail'>): LogEntry[] {
  return numbered(tail, seq - tail.length);
}

/** Entries that follow `after`, in their places. */
export function numbered(tail: readonly TailEntry[], after: number): LogEntry[] {
  return tail.map((entry, index) => ({ seq: after + 1 + index, ...entry }));
}

/** What a head is made of, and whether and by whom the session is held. */
export const HEAD = {
  'log.seq': 1,
  'log.status': 1,
  'log.stop_reason': 1,
  'log.owed': 1,
  'log.closed': 1,
  'log.lease': 1,
} as const;

export function headOf(log: LogFields): LogHead {
  return {
    seq: log.seq,
    status: log.status,
    stop_reason: log.stop_reason,
    owed: log.owed,
    lease_token: log.lease.token,
  };
}

export function toDocument(ref: SessionRef, entry: LogEntry): EventDocument {
  return {
    _id: entry.event.id,
    workspace_id: ref.workspace_id,
    session_id: ref.session_id,
    seq: entry.seq,
    created_at: entry.created_at,
    type: entry.event.type,
    ...(isDeckhandEvent(entry.event) ? { internal: true as const } : {}),
    event: entry.event,
    ...(entry.by === undefined ? {} : { by: entry.by }),
    ...(entry.message_id === undefined ? {} : { message_id: entry.message_id }),
    ...(entry.tells === undefined ? {} : { tells: entry.tells }),
  };
}

export function toEntry(document: EventDocument): LogEntry {
  return {
    seq: document.seq,
    created_at: document.created_at,
    event: document.event,
    ...(document.by === undefined ? {} : { by: document.by }),
    ...(document.message_id === undefined ? {} : { message_id: document.message_id }),
    ...(document.tells === undefined ? {} : { tells: document.tells }),
  };
}
