import type { BetaManagedAgentsSessionUsageSnapshot } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { LogEntry, SessionStatus, StopReason } from './event.ts';
import type { LogHead, SessionRef } from './log.ts';

/**
 * How a log lies in MongoDB. The session's document holds the head and the *tail*: the last append, whole. One update
 * moves the head, replaces the tail and checks sequence number and lease, so an append is atomic without transactions.
 * The tail's events are then copied into `session_events`, one document each; until that is done, readers take them
 * from the tail, and the next append copies whatever its predecessor did not.
 */
export interface LogFields {
  /** What shares workers and deliveries fairly with others: see `LaneSession`. */
  lane: string;
  seq: number;
  /** Entries of the last append. Their last seq is `seq`. */
  tail: LogEntry[];
  owed: boolean;
  /** The last append is not yet shown in the conversation; cleared by delivery. */
  undelivered: boolean;
  status: SessionStatus;
  stop_reason: StopReason | null;
  /** The last `session.usage` snapshot. */
  usage: BetaManagedAgentsSessionUsageSnapshot | null;
  last_event_at: Date | null;
  lease: LeaseFields;
}

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
  event: LogEntry['event'];
  by?: LogEntry['by'];
}

/** Where a new session's log begins. */
export function emptyLog(lane = ''): LogFields {
  return {
    lane,
    seq: 0,
    tail: [],
    owed: false,
    undelivered: false,
    status: 'idle',
    stop_reason: null,
    usage: null,
    last_event_at: null,
    lease: { token: 0, holder: null, until: null },
  };
}

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
    event: entry.event,
    ...(entry.by === undefined ? {} : { by: entry.by }),
  };
}

export function toEntry(document: EventDocument): LogEntry {
  return {
    seq: document.seq,
    created_at: document.created_at,
    event: document.event,
    ...(document.by === undefined ? {} : { by: document.by }),
  };
}
