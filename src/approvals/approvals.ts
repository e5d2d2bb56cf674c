import type { Db } from 'mongodb';
import type { Logger } from '../logger.ts';
import type { EventOf, LogEntry } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { Approval } from './approval.ts';
import { createApprovalStore } from './approval-store.ts';
import { type Clock, databaseClock } from './database-clock.ts';
import {
  type DecideByToolUse,
  type DecideRequest,
  type DecideResult,
  decide,
  decideByToolUse,
  refusalByToolUse,
} from './decide.ts';
import { recordApprovals } from './record.ts';
import { createRepair } from './repair.ts';
import { type ApprovalTimers, startApprovalTimers } from './timers.ts';
import { createUnrecorded } from './unrecorded.ts';

export interface ApprovalsDeps {
  db: Db;
  log: Pick<SessionLog, 'append' | 'query' | 'readPage'>;
  logger: Logger;
  /** By default the database's. */
  now?: Clock;
}

/** Questions to people about tool calls: recorded, shown, decided, reminded of. See approval.ts for their states. */
export interface Approvals {
  /** What questions are stamped with: the clock that their due times are compared with. */
  now: Clock;
  /** Bring the records up to these entries of a log; any number of times. */
  record(ref: SessionRef, entries: readonly LogEntry[]): Promise<void>;
  find(workspace_id: string, approval_id: string): Promise<Approval | null>;
  /**
   * An escalation that stands in the log reached nobody: the next in the policy's list is due at once. The record then; null:
   * it was asked by now, or all is decided. Safe to call again.
   */
  nobodyReached(ref: SessionRef, event: EventOf<'deckhand.approval_escalated'>): Promise<Approval | null>;
  /** The record as it stands; null: what asks is on no record yet. */
  peek(workspace_id: string, approval_id: string): Promise<Approval | null>;
  /** The question about this call, on record from now on if the log has it; null: it asks nobody. */
  findByToolUse(ref: SessionRef, tool_use_id: string): Promise<Approval | null>;
  /** Oldest question first, however many there are: they are read as they are taken. */
  pending(workspace_id: string, session_id?: string): AsyncIterable<Approval>;
  decide(request: DecideRequest): Promise<DecideResult>;
  decideByToolUse(ref: SessionRef, request: DecideByToolUse): Promise<DecideResult>;
  /** What `decideByToolUse` would be refused with now; null when it would count. */
  refusalByToolUse(ref: SessionRef, request: DecideByToolUse): Promise<DecideResult | null>;
  /** The session was deleted, and so are its approvals. Safe to call again. */
  forget(ref: SessionRef): Promise<void>;
  /**
   * Reminders, expiry and what a dead process left undone for `lost_after_ms`; any number of processes may run it, and
   * one that is only slow is finished for by another without harm.
   */
  startTimers(interval_ms: number, lost_after_ms: number): ApprovalTimers;
}

export function createApprovals(options: ApprovalsDeps): Approvals {
  const store = createApprovalStore(options.db);
  const now = options.now ?? databaseClock(options.db);
  const unrecorded = createUnrecorded(options.db);
  const deps = { ...options, now, store, unrecorded, repair: createRepair({ ...options, store, unrecorded }) };
  return {
    now,
    record: (ref, entries) => recordApprovals(deps, ref, entries),
    find: (workspace_id, approval_id) => deps.repair.find(workspace_id, approval_id),
    async nobodyReached(ref, { approval_id, step, to, processed_at }) {
      const approval = await store.find(ref.workspace_id, approval_id);
      if (approval === null) return null;
      // Whoever brought it to the log may not have said so in the record yet, and would set the time of the next after this.
      await store.confirmEscalation(approval, step, { to, at: new Date(processed_at) });
      return store.markUnreached(approval, step);
    },
    peek: (workspace_id, approval_id) => store.find(workspace_id, approval_id),
    findByToolUse: (ref, tool_use_id) => deps.repair.findByToolUse(ref, tool_use_id),
    pending: (workspace_id, session_id) => store.pending(workspace_id, session_id),
    decide: (request) => decide(deps, request),
    decideByToolUse: (ref, request) => decideByToolUse(deps, ref, request),
    refusalByToolUse: (ref, request) => refusalByToolUse(deps, ref, request),
    forget: (ref) => store.remove(ref),
    startTimers: (interval_ms, lost_after_ms) => startApprovalTimers({ ...deps, lost_after_ms }, interval_ms),
  };
}
