import type { EventOf, LogEntry } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { toRecord } from '../session/log-update.ts';
import { approvalOf, reminderOf } from './approval.ts';
import type { ApprovalStore } from './approval-store.ts';
import type { Unrecorded } from './unrecorded.ts';

/** More questions than any session asks. */
const MOST_PER_SESSION = 100_000;

type EntryOf<T extends LogEntry['event']['type']> = LogEntry & { event: EventOf<T> };

export interface RecordDeps {
  store: ApprovalStore;
  unrecorded: Pick<Unrecorded, 'settle'>;
}

/**
 * Bring the records up to what these entries of a session's log say. Idempotent, and any order of repeats is fine, so
 * the worker calls it after an append, and the repair whenever something is missing.
 */
export async function recordApprovals(deps: RecordDeps, ref: SessionRef, entries: readonly LogEntry[]): Promise<void> {
  for (const entry of entries) {
    if (isEntry(entry, 'deckhand.approval_requested')) await deps.store.insert(approvalOf(ref, entry));
    if (isEntry(entry, 'deckhand.approval_voted')) await recordVote(deps.store, ref, entry.event);
    if (isEntry(entry, 'deckhand.approval_reminded')) await recordReminder(deps.store, ref, entry.event);
    if (isEntry(entry, 'deckhand.approval_escalated')) await recordEscalation(deps.store, ref, entry.event);
    if (isEntry(entry, 'deckhand.approval_decided')) await recordDecided(deps.store, ref, entry.event);
  }
  const last = entries.map(({ event }) => toRecord(event)).findLast((approval_id) => approval_id !== null);
  if (last !== undefined && last !== null) await deps.unrecorded.settle(ref, last);
}

/** Bring a session's records up to its whole log. @throws NotFoundError */
export async function rebuildApprovals(
  deps: RecordDeps & { log: Pick<SessionLog, 'query'> },
  ref: SessionRef,
): Promise<void> {
  const entries = await deps.log.query({
    ...ref,
    types: [
      'deckhand.approval_requested',
      'deckhand.approval_voted',
      'deckhand.approval_reminded',
      'deckhand.approval_escalated',
      'deckhand.approval_decided',
    ],
    order: 'asc',
    limit: MOST_PER_SESSION,
  });
  await recordApprovals(deps, ref, entries);
}

async function recordVote(
  store: ApprovalStore,
  ref: SessionRef,
  event: EventOf<'deckhand.approval_voted'>,
): Promise<void> {
  const approval = await store.find(ref.workspace_id, event.approval_id);
  if (approval === null) return;
  const { by, processed_at, for_session } = event;
  await store.confirmVote(approval, { by, at: new Date(processed_at), for_session });
}

async function recordReminder(
  store: ApprovalStore,
  ref: SessionRef,
  event: EventOf<'deckhand.approval_reminded'>,
): Promise<void> {
  const approval = await store.find(ref.workspace_id, event.approval_id);
  if (approval === null) return;
  await store.confirmReminder(approval, reminderOf(event), new Date(event.processed_at));
}

async function recordEscalation(
  store: ApprovalStore,
  ref: SessionRef,
  event: EventOf<'deckhand.approval_escalated'>,
): Promise<void> {
  const approval = await store.find(ref.workspace_id, event.approval_id);
  if (approval === null) return;
  await store.confirmEscalation(approval, event.step, { to: event.to, at: new Date(event.processed_at) });
}

async function recordDecided(
  store: ApprovalStore,
  ref: SessionRef,
  event: EventOf<'deckhand.approval_decided'>,
): Promise<void> {
  const approval = await store.find(ref.workspace_id, event.approval_id);
  if (approval === null || (approval.status === event.outcome && approval.appended)) return;
  await store.overrule(approval, event.outcome, decisionOf(event));
}

export function decisionOf(event: EventOf<'deckhand.approval_decided'>) {
  const for_session = event.for_session !== undefined;
  return { by: event.by, at: new Date(event.processed_at), reason: event.reason, for_session };
}

function isEntry<T extends LogEntry['event']['type']>(entry: LogEntry, type: T): entry is EntryOf<T> {
  return entry.event.type === type;
}
