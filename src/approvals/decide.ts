import type { Actor } from '../session/event.ts';
import type { SessionRef } from '../session/log.ts';
import { type AppendDecisionDeps, appendDecision, appendVote, type Decided } from './append-decision.ts';
import { type Approval, quorumOf, type Vote } from './approval.ts';
import type { Clock } from './database-clock.ts';
import { API, type Decider, describeApprovers, refusalFor } from './policy.ts';
import type { Repair } from './repair.ts';

/** Longest reason, in characters; the rest of a longer one is cut. */
const MAX_REASON = 2000;

export interface DecideDeps extends AppendDecisionDeps {
  repair: Repair;
  now: Clock;
}

export interface DecideRequest extends Decider {
  workspace_id: string;
  approval_id: string;
  decision: 'allow' | 'deny';
  /** Claude reads it on a denial. At most 2,000 characters are kept. */
  reason?: string | null;
  /** Allow it for the rest of the session, as far as the policy goes. */
  for_session?: boolean;
}

export type DecideByToolUse = Omit<DecideRequest, 'workspace_id' | 'approval_id'> & { tool_use_id: string };

/** What became of a decision. `text` is a sentence for the person who made it. */
export type DecideResult =
  | { result: 'decided'; approval: Decided; text: string }
  /** It counts, and others still have to approve. */
  | { result: 'voted'; approval: Approval; text: string }
  | { result: 'already_voted'; approval: Approval; text: string }
  | { result: 'already_decided'; approval: Decided; text: string }
  | { result: 'expired'; approval: Decided; text: string }
  | { result: 'withdrawn'; approval: Decided; text: string }
  | { result: 'not_allowed'; approval: Approval; approvers: string; text: string }
  | { result: 'not_found'; text: string };

/**
 * Decide an approval. One atomic update takes it out of pending, then the log is told; when this process dies between
 * the two, the timers of another finish it.
 */
export async function decide(deps: DecideDeps, request: DecideRequest): Promise<DecideResult> {
  const { workspace_id, approval_id } = request;
  return decideOn(deps, await deps.repair.find(workspace_id, approval_id), request);
}

/** The same for a caller that knows the tool call instead: the API's `user.tool_confirmation`. */
export async function decideByToolUse(
  deps: DecideDeps,
  ref: SessionRef,
  request: DecideByToolUse,
): Promise<DecideResult> {
  return decideOn(deps, await deps.repair.findByToolUse(ref, request.tool_use_id), request);
}

/**
 * What a decision would be refused with, without making it; null when it would count. For a caller that has more to do
 * than to decide, and does all of it or nothing.
 */
export async function refusalByToolUse(
  deps: DecideDeps,
  ref: SessionRef,
  request: DecideByToolUse,
): Promise<DecideResult | null> {
  return refusedOn(deps, await deps.repair.findByToolUse(ref, request.tool_use_id), request);
}

type Decision = Omit<DecideRequest, 'workspace_id' | 'approval_id'>;

async function decideOn(deps: DecideDeps, approval: Approval | null, request: Decision): Promise<DecideResult> {
  const refused = await refusedOn(deps, approval, request);
  if (refused !== null || approval === null) return refused ?? UNKNOWN;
  const outcome = request.decision === 'allow' ? 'allowed' : 'denied';
  const at = new Date(await deps.now());
  const for_session = request.for_session === true;
  if (outcome === 'allowed' && needsVotes(approval, request.by)) {
    return voteOn(deps, approval, { by: request.by, at, for_session }, request);
  }
  const decision = { by: request.by, at, reason: reasonOf(request), for_session };
  const settled = await deps.store.settle(approval, outcome, decision, false);
  if (settled === null || !isDecided(settled)) return decideOn(deps, await again(deps, approval), request);
  return toldOf(await appendDecision(deps, settled), outcome, request.by);
}

function toldOf(approval: Decided, outcome: 'allowed' | 'denied', by: Actor): DecideResult {
  if (approval.status !== outcome) return late(approval, by);
  const { for_session } = approval.policy;
  const allowed =
    approval.decision.for_session === true && for_session !== undefined
      ? `Approved. ${SCOPES[for_session]} run without asking for the rest of this session.`
      : 'Approved.';
  return { result: 'decided', approval, text: outcome === 'allowed' ? allowed : 'Denied. The agent is told why.' };
}

const SCOPES = { tool: 'Further calls of this tool', arguments: 'Further calls with the same arguments' } as const;

/** The API decides alone: whoever holds a key could change the policy itself. */
function needsVotes(approval: Approval, by: Actor): boolean {
  return quorumOf(approval) > 1 && by.via !== API;
}

async function voteOn(
  deps: DecideDeps,
  approval: Approval,
  vote: Omit<Vote, 'appended'>,
  request: Decision,
): Promise<DecideResult> {
  const voted = await deps.store.vote(approval, vote);
  if (voted === null) return notVoted(deps, await again(deps, approval), request);
  if (isDecided(voted)) return toldOf(await appendDecision(deps, voted), 'allowed', vote.by);
  const decided = await appendVote(deps, voted, { ...vote, appended: false });
  // Others completed the quorum meanwhile, and it held this vote too; or a Stop or a denial was faster.
  if (decided !== null) return toldOf(decided, 'allowed', vote.by);
  return { result: 'voted', approval: voted, text: `Your approval counts. ${stillNeeded(voted)}` };
}

/** It was decided meanwhile, or this person has approved before. */
async function notVoted(deps: DecideDeps, approval: Approval | null, request: Decision): Promise<DecideResult> {
  if (approval === null || approval.status !== 'pending') return decideOn(deps, approval, request);
  const text = `You have approved this already. ${stillNeeded(approval)}`;
  return { result: 'already_voted', approval, text };
}

function stillNeeded(approval: Approval): string {
  const votes = approval.votes?.length ?? 0;
  const left = quorumOf(approval) - votes;
  return `${votes} of ${quorumOf(approval)} so far: ${left} more ${left === 1 ? 'person has' : 'people have'} to approve.`;
}

export const UNKNOWN: DecideResult = { result: 'not_found', text: 'This question is not known here any more.' };

/** Null: it waits for a decision, and this person may make it. */
async function refusedOn(deps: DecideDeps, approval: Approval | null, request: Decision): Promise<DecideResult | null> {
  if (approval === null) return UNKNOWN;
  // Who is late is told what was decided, also when they could not have decided it.
  if (isDecided(approval)) return late(await landed(deps, approval), request.by);
  const refusal = refusalFor(approval, request);
  if (refusal !== null) {
    return { result: 'not_allowed', approval, approvers: describeApprovers(approval), text: refusal };
  }
  if (approval.expires_at === null) return null;
  const now = new Date(await deps.now());
  if (approval.expires_at > now) return null;
  const expired = await expire(deps, approval, now);
  return expired === null ? refusedOn(deps, await again(deps, approval), request) : late(expired, request.by);
}

/** Somebody else was faster: what they decided is the answer. */
function again(deps: DecideDeps, approval: Approval): Promise<Approval | null> {
  return deps.store.find(approval.workspace_id, approval._id);
}

/** Nobody decided in time, which denies; null when somebody did at the last moment. */
export async function expire(deps: AppendDecisionDeps, approval: Approval, now: Date): Promise<Decided | null> {
  const reason = 'Nobody decided in time.';
  const settled = await deps.store.settle(approval, 'expired', { by: null, at: now, reason }, false);
  return settled !== null && isDecided(settled) ? appendDecision(deps, settled) : null;
}

export function isDecided(approval: Approval): approval is Decided {
  return approval.status !== 'pending' && approval.decision !== null;
}

/** A click on a decision that has not reached the log yet also brings it there. */
async function landed(deps: DecideDeps, approval: Decided): Promise<Decided> {
  return approval.appended ? approval : appendDecision(deps, approval);
}

function reasonOf(request: { reason?: string | null }): string | null {
  const reason = request.reason?.trim() ?? '';
  // Not half of a surrogate pair at the end.
  return reason === '' ? null : reason.slice(0, MAX_REASON).replace(/[\uD800-\uDBFF]$/, '');
}

function late(approval: Decided, person: Actor): DecideResult {
  switch (approval.status) {
    case 'allowed':
    case 'denied': {
      const { by, at, reason } = approval.decision;
      const own = by !== null && by.via === person.via && by.id === person.id;
      const who = own ? 'You' : (by?.name ?? 'Somebody');
      const verb = approval.status === 'allowed' ? 'approved' : 'denied';
      const why = reason === null ? '' : `: ${reason}`;
      const text = `${who} already ${verb} this on ${wordsOf(at)}${why}`;
      return { result: 'already_decided', approval, text: text.endsWith('.') ? text : `${text}.` };
    }
    case 'expired':
      return { result: 'expired', approval, text: 'Too late: nobody decided in time, so it was not run.' };
    case 'withdrawn': {
      const why = approval.decision.reason ?? 'The run was stopped';
      return { result: 'withdrawn', approval, text: `${why}, so nothing need be decided.` };
    }
    default:
      return approval.status satisfies never;
  }
}

/** `20 November at 22:42 UTC`: platforms that know the reader's time zone show the card's own time. */
function wordsOf(at: Date): string {
  const options = { day: 'numeric', month: 'long', hour: '2-digit', minute: '2-digit', timeZone: 'UTC' } as const;
  return `${at.toLocaleString('en-GB', options)} UTC`;
}
