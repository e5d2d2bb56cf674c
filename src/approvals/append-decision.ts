import { NotFoundError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { Actor, EventOf, LogEntry, NewEntry } from '../session/event.ts';
import { newId } from '../session/id.ts';
import { DECKHAND, type SessionLog } from '../session/log.ts';
import type { Approval, Decision, Outcome, Vote } from './approval.ts';
import type { ApprovalStore } from './approval-store.ts';
import { decisionOf } from './record.ts';

export interface AppendDecisionDeps {
  store: ApprovalStore;
  log: Pick<SessionLog, 'append' | 'readPage'>;
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

/**
 * Bring a vote into the session's log, once. Returns the decision where the log holds one already: then the vote came too
 * late, and the record follows the log.
 */
export async function appendVote(deps: AppendDecisionDeps, approval: Approval, vote: Vote): Promise<Decided | null> {
  const { by, at, for_session } = vote;
  const event: EventOf<'deckhand.approval_voted'> = {
    id: newId('sevt'),
    processed_at: at.toISOString(),
    type: 'deckhand.approval_voted',
    approval_id: approval._id,
    tool_use_id: approval.tool_use_id,
    by,
    for_session,
  };
  try {
    const there = await appendOnce(
      deps.log,
      { workspace_id: approval.workspace_id, session_id: approval.session_id },
      {
        after_seq: approval.requested_seq,
        entries: [{ event }],
        isThere: (entry) => isDecisionOf(entry, approval) || isVoteOf(entry, approval, by),
      },
    );
    if (there?.event.type === 'deckhand.approval_decided') {
      const { outcome } = there.event;
      const decision = decisionOf(there.event);
      await deps.store.overrule(approval, outcome, decision);
      return { ...approval, status: outcome, decision, appended: true };
    }
  } catch (error) {
    // The session was deleted.
    if (!(error instanceof NotFoundError)) throw error;
  }
  await deps.store.confirmVote(approval, vote);
  return null;
}

function isVoteOf({ event }: LogEntry, approval: Approval, by: Actor): boolean {
  if (event.type !== 'deckhand.approval_voted' || event.approval_id !== approval._id) return false;
  return event.by.via === by.via && event.by.id === by.id;
}

function isDecisionOf(entry: LogEntry, approval: Approval): boolean {
  return entry.event.type === 'deckhand.approval_decided' && entry.event.approval_id === approval._id;
}

/** In order; whoever decided is the last. */
function allWhoApproved({ votes = [], decision }: Decided): Actor[] {
  const { by } = decision;
  const voters = votes.map((vote) => vote.by);
  const voted = by !== null && voters.some((voter) => voter.via === by.via && voter.id === by.id);
  return by === null || voted ? voters : [...voters, by];
}

/** The confirmation that the API knows and the record beside it, in one append. */
function decisionEntries(approval: Decided): NewEntry[] {
  const { by, at, reason, for_session } = approval.decision;
  const { for_session: scope } = approval.policy;
  const allowed = approval.status === 'allowed';
  const approved_by = allWhoApproved(approval);
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
      ...(allowed && approved_by.length > 1 ? { approved_by } : {}),
      ...(allowed && for_session === true && scope !== undefined ? { for_session: scope } : {}),
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
