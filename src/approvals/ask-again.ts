import { NotFoundError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { LogEntry, SessionEvent } from '../session/event.ts';
import { newId } from '../session/id.ts';
import type { SessionLog } from '../session/log.ts';
import { type Approval, reminderOf } from './approval.ts';
import type { ApprovalStore } from './approval-store.ts';
import type { Clock } from './database-clock.ts';
import { actorKey, decidersOf, requestersOf } from './policy.ts';

/** Rows taken per round and kind. */
const BATCH = 100;

interface AskAgainDeps {
  store: ApprovalStore;
  log: Pick<SessionLog, 'append' | 'readPage'>;
  now: Clock;
  /** What was claimed and is not confirmed after this is a dead process's. */
  lost_after_ms: number;
}

/*
 * A row that is due is claimed for a while, then the log is told, then the row is confirmed. Whoever finds a claim that ran
 * out does the same again, and the log takes it once.
 */

/** Remind of what waits, and of the same again at the policy's pace. */
export async function remindDue(deps: AskAgainDeps): Promise<void> {
  for (let count = 0; count < BATCH; count++) {
    const { now, until } = await claimTimes(deps);
    const approval = await deps.store.claimReminder(now, until);
    if (approval === null) return;
    const { _id: approval_id, tool_use_id } = approval;
    const count = approval.reminded + 1;
    const to = stillAsked(approval);
    const event = { ...stamp(now), type: 'deckhand.approval_reminded' as const, approval_id, tool_use_id, count, to };
    await appendFor(deps, approval, event, (other) => {
      return (
        other.type === 'deckhand.approval_reminded' && other.approval_id === approval_id && reminderOf(other) === count
      );
    });
    await deps.store.confirmReminder(approval, count, now);
  }
}

/** Those who may decide and have not approved yet. */
function stillAsked(approval: Approval): string[] {
  const out = (approval.votes ?? []).map(({ by }) => actorKey(by));
  if (approval.policy.four_eyes) out.push(...requestersOf(approval).map(actorKey));
  return decidersOf(approval).filter((id) => !out.includes(id));
}

/** Ask the next in the policy's list, one step at a time. */
export async function escalateDue(deps: AskAgainDeps): Promise<void> {
  for (let count = 0; count < BATCH; count++) {
    const { now, until } = await claimTimes(deps);
    const approval = await deps.store.claimEscalation(now, until);
    if (approval === null) return;
    const { _id: approval_id, tool_use_id } = approval;
    const step = (approval.escalations ?? []).length + 1;
    const to = approval.policy.escalate_to?.[step - 1];
    if (to === undefined) throw new Error(`There is no escalation ${step} of ${approval_id}`);
    const event = {
      ...stamp(now),
      type: 'deckhand.approval_escalated' as const,
      approval_id,
      tool_use_id,
      step,
      to,
    };
    await appendFor(deps, approval, event, (other) => {
      return other.type === 'deckhand.approval_escalated' && other.approval_id === approval_id && other.step === step;
    });
    await deps.store.confirmEscalation(approval, step, { to, at: now });
  }
}

async function claimTimes({ now, lost_after_ms }: AskAgainDeps): Promise<{ now: Date; until: Date }> {
  const at = await now();
  return { now: new Date(at), until: new Date(at + lost_after_ms) };
}

function stamp(now: Date): { id: string; processed_at: string } {
  return { id: newId('sevt', now.getTime()), processed_at: now.toISOString() };
}

/** Append unless it is there, or the question is decided. */
async function appendFor(
  deps: AskAgainDeps,
  { _id, workspace_id, session_id, requested_seq }: Approval,
  event: SessionEvent,
  isSame: (other: SessionEvent) => boolean,
): Promise<void> {
  const isThere = ({ event: other }: LogEntry) =>
    isSame(other) || (other.type === 'deckhand.approval_decided' && other.approval_id === _id);
  try {
    const request = { after_seq: requested_seq, entries: [{ event }], isThere };
    await appendOnce(deps.log, { workspace_id, session_id }, request);
  } catch (error) {
    // The session was deleted.
    if (!(error instanceof NotFoundError)) throw error;
  }
}
