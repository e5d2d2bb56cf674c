import { NotFoundError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { LogEntry, NewEntry } from '../session/event.ts';
import { newId } from '../session/id.ts';
import { DECKHAND, type SessionLog } from '../session/log.ts';
import type { Approval, Decision, Outcome } from './approval.ts';
import type { ApprovalStore } from './approval-store.ts';
import { decisionOf } from './record.ts';

export interface AppendDecisionDeps {
  store: ApprovalStore;
  log: Pick<SessionLog, 'append' | 'read'>;
}

export type Decided = Approval & { status: Outcome; decision: Decision };

/**
 * Bring a decided record into its session's log, once, however often and by however many this is tried. Returns the
 * approval as it is then: where the log already held another outcome, the record follows it.
 */
export async function appendDecision(deps: AppendDecisionDeps, approval: Decided): Promise<Decided> {
  const ref = { workspace_id: approval.workspace_id, session_id: approval.session_id };
  try {
    const there = await appendOnce(deps.log, ref, {
      after_seq: approval.requested_seq,
      entries: decisionEntries(approval),
      isThere: (entry) => isDecisionOf(entry, approval),
      owed: true,
    });
    if (there?.event.type === 'deckhand.approval_decided' && there.event.outcome !== approval.status) {
      const { outcome } = there.event;
      const decision = decisionOf(there.event);
      await deps.store.overrule(approval, outcome, decision);
      return { ...approval, status: outcome, decision, appended: true };
    }
  } catch (error) {
    // The session was deleted: there is no log to bring it to, and nobody who waits for it.
    if (!(error instanceof NotFoundError)) throw error;
  }
  await deps.store.confirm(approval);
  return { ...approval, appended: true };
}

function isDecisionOf(entry: LogEntry, approval: Approval): boolean {
  return entry.event.type === 'deckhand.approval_decided' && entry.event.approval_id === approval._id;
}

/** The confirmation that the API knows and the record beside it, in one append. */
function decisionEntries(approval: Decided): NewEntry[] {
  const { by, at, reason } = approval.decision;
  const allowed = approval.status === 'allowed';
  const decided: NewEntry = {
    event: {
      id: newId('sevt'),
      processed_at: at.toISOString(),
      type: 'deckhand.approval_decided',
      approval_id: approval._id,
      tool_use_id: approval.tool_use_id,
      outcome: approval.status,
      by,
      reason,
    },
  };
  if (approval.status === 'withdrawn') return [decided];
  const confirmation: NewEntry = {
    event: {
      id: newId('sevt'),
      processed_at: null,
      type: 'user.tool_confirmation',
      tool_use_id: approval.tool_use_id,
      result: allowed ? 'allow' : 'deny',
      ...(allowed || reason === null ? {} : { deny_message: reason }),
    },
    by: by ?? DECKHAND,
  };
  return [confirmation, decided];
}
