import type { Actor, ApprovalPolicy, EventOf, LogEntry } from '../session/event.ts';
import type { SessionRef } from '../session/log.ts';

/*
 * An approval is a person's decision that one tool call waits for. Its record is materialised from the log, where the
 * turn that asks says so, and can be rebuilt from there at any time.
 *
 *   pending    entered when the log asks (`deckhand.approval_requested`). Left once, for one of the others. Where several
 *              have to approve, it holds who has: each is a vote, of one person once.
 *   allowed    a person let the call run, or as many as the policy wants did.
 *   denied     a person did not; Claude reads why.
 *   expired    nobody decided in time, which denies.
 *   withdrawn  the run was stopped, so nobody need decide.
 *
 * Only `settle` and `vote` in approval-store.ts take a record out of pending, atomically, so that of two decisions one wins.
 * The decision, and each vote before it, then has to reach the log: `appended` is false until it has, and whoever finds it
 * so finishes it. When the
 * log already holds another outcome (a Stop that was faster), the log is right and the record follows it.
 */
export type ApprovalStatus = 'pending' | Outcome;
export type Outcome = EventOf<'deckhand.approval_decided'>['outcome'];

export interface Approval {
  /** `appr_…`, derived from the tool use event's id. */
  _id: string;
  workspace_id: string;
  session_id: string;
  tool_use_id: string;
  tool_name: string;
  summary: string;
  detail: string;
  why?: string;
  requested_by: Actor | null;
  /** Who else asked for it, in order; absent: nobody. */
  also_asked?: Actor[];
  policy: ApprovalPolicy;
  /** Where the log asked: what follows from it stands after this place. */
  requested_seq: number;
  /** By the database's clock. */
  requested_at: Date;
  status: ApprovalStatus;
  /** Who approved, in order; absent in records from before there were votes. */
  votes?: Vote[];
  /** Null while pending. */
  decision: Decision | null;
  /** The decision stands in the log; true while there is none. */
  appended: boolean;
  /** How many reminders were sent. */
  reminded: number;
  /** When the next reminder is due; null when none is. */
  remind_at: Date | null;
  /** Who was asked besides, in order; absent in records from before there were escalations. */
  escalations?: Escalation[];
  /** Steps of these, from 1, that reached nobody: those behind them come so much earlier. Absent: each reached somebody. */
  unreached?: number[];
  /** When the next one is due; null when none is. */
  escalate_at?: Date | null;
  /** When it denies itself; null for never. */
  expires_at: Date | null;
}

export interface Escalation {
  to: string;
  at: Date;
}

export interface Decision {
  by: Actor | null;
  at: Date;
  reason: string | null;
  /** All who approved would have it run without asking for the rest of the session. */
  for_session?: boolean;
}

export interface Vote {
  by: Actor;
  at: Date;
  for_session: boolean;
  /** It stands in the log. */
  appended: boolean;
}

/**
 * When a step of the policy's list is due, from 1; null when there is none. Nobody is waited for whom a step could not reach:
 * the one behind it is due with it.
 */
export function escalationDue(
  { policy, requested_at, unreached = [] }: Pick<Approval, 'policy' | 'requested_at' | 'unreached'>,
  step: number,
): Date | null {
  const { escalate_after_ms, escalate_to = [] } = policy;
  if (escalate_after_ms === undefined || step > escalate_to.length) return null;
  const waits = step - unreached.filter((earlier) => earlier < step).length;
  return new Date(requested_at.getTime() + waits * escalate_after_ms);
}

/** Which reminder of its question it is, from 1. */
export function reminderOf({ count = 1 }: EventOf<'deckhand.approval_reminded'>): number {
  return count;
}

/** So many reminders come at the policy's pace; what nobody decides then is reminded of once a day, or at that pace if it is slower. */
const OFTEN = 10;
const DAY_MS = 86_400_000;

/** When to remind again after so many reminders, the last of them `at`: what was missed meanwhile is not made up for. Null: never. */
export function reminderDue(
  { policy, requested_at, expires_at }: Pick<Approval, 'policy' | 'requested_at' | 'expires_at'>,
  reminded: number,
  at: Date,
): Date | null {
  const { remind_after_ms } = policy;
  if (remind_after_ms === null) return null;
  const pace = reminded < OFTEN ? remind_after_ms : Math.max(remind_after_ms, DAY_MS);
  const asked = requested_at.getTime();
  const due = new Date(asked + (Math.floor((at.getTime() - asked) / pace) + 1) * pace);
  return expires_at !== null && due >= expires_at ? null : due;
}

/** How many people have to approve. */
export function quorumOf({ policy }: Pick<Approval, 'policy'>): number {
  return policy.quorum ?? 1;
}

/** The record of an approval as the log asks for it. */
export function approvalOf(
  ref: SessionRef,
  entry: LogEntry & { event: EventOf<'deckhand.approval_requested'> },
): Approval {
  const { event } = entry;
  const { expire_after_ms } = event.policy;
  const asked = Date.parse(event.asked_at ?? event.processed_at);
  const requested_at = new Date(asked);
  const expires_at = expire_after_ms === null ? null : new Date(asked + expire_after_ms);
  return {
    _id: event.approval_id,
    workspace_id: ref.workspace_id,
    session_id: ref.session_id,
    tool_use_id: event.tool_use_id,
    tool_name: event.tool_name,
    summary: event.summary,
    detail: event.detail,
    ...(event.why === undefined ? {} : { why: event.why }),
    requested_by: event.requested_by,
    ...(event.also_asked === undefined ? {} : { also_asked: event.also_asked }),
    policy: event.policy,
    requested_seq: entry.seq,
    requested_at,
    status: 'pending',
    votes: [],
    decision: null,
    appended: true,
    reminded: 0,
    escalations: [],
    escalate_at: escalationDue({ policy: event.policy, requested_at }, 1),
    remind_at: reminderDue({ policy: event.policy, requested_at, expires_at }, 0, requested_at),
    expires_at,
  };
}
