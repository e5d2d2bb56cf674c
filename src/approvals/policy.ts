import type { Actor } from '../session/event.ts';
import type { Approval } from './approval.ts';

/** Whoever uses the API holds a key of the workspace, and could change the policy itself. */
const API = 'api';

/** Longest list of names that is still read. */
const SHOWN_APPROVERS = 5;

/** How an approver is written in a policy. */
function actorKey(actor: Actor): string {
  return `${actor.via}:${actor.id}`;
}

/** Why this person may not decide, as a sentence for them; null when they may. */
export function refusalFor(
  approval: Pick<Approval, 'policy' | 'requested_by'>,
  by: Actor,
  in_conversation: boolean,
): string | null {
  const { policy, requested_by } = approval;
  if (policy.four_eyes && requested_by !== null && actorKey(requested_by) === actorKey(by)) {
    return 'You asked for this, so somebody else has to decide it.';
  }
  if (by.via === API) return null;
  if (policy.approvers.length === 0) {
    return in_conversation ? null : 'Only people in the conversation may decide this.';
  }
  if (policy.approvers.includes(actorKey(by))) return null;
  return `You may not decide this. Who may: ${describeApprovers(approval)}.`;
}

/** Who may decide, in words that fit `Who may decide: …`. */
export function describeApprovers(approval: Pick<Approval, 'policy' | 'requested_by'>): string {
  const { approvers, four_eyes } = approval.policy;
  const except = four_eyes && approval.requested_by !== null ? ` except ${approval.requested_by.name}` : '';
  if (approvers.length === 0) return `anyone in this conversation${except}`;
  const shown = approvers.slice(0, SHOWN_APPROVERS).map((key) => key.slice(key.indexOf(':') + 1));
  const more = approvers.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}${except}`;
}
