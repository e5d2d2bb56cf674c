import type { Filter } from 'mongodb';
import type { LaneSession, SessionRef, Watchers } from './log.ts';
import type { LoggedDocument } from './log-document.ts';
import { MAX_TAIL_BYTES } from './log-tail.ts';

/** Nobody holds the lease, or its holder let it run out. `$$NOW` is the database's clock: workers' clocks may differ. */
export const FREE = { $or: [{ $eq: ['$log.lease.until', null] }, { $lte: ['$log.lease.until', '$$NOW'] }] };

export function filterOf(ref: SessionRef): { _id: string; workspace_id: string } {
  return { _id: ref.session_id, workspace_id: ref.workspace_id };
}

/** The tail has room for it. */
export function roomFor({ bytes }: { bytes: number }): Filter<LoggedDocument> {
  return { 'log.tail_bytes': { $not: { $gt: MAX_TAIL_BYTES - bytes } } };
}

/** It takes inputs. */
export const OPEN = { 'log.closed': { $ne: true } };

export function laneOf({ _id, workspace_id, log }: LoggedDocument): LaneSession {
  return { workspace_id, session_id: _id, lane: log.lane };
}

export function watchersOf({ lease, in_conversation }: LoggedDocument['log']): Watchers {
  const { holder, until } = lease;
  return { brain: holder === null || until === null ? null : { holder, until }, in_conversation };
}
