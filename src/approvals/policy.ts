import type { Actor, ApprovalPolicy } from '../session/event.ts';
import type { Approval } from './approval.ts';

/** Whoever uses the API holds a key of the workspace, and could change the policy itself. */
export const API = 'api';

/** Longest list of names that is still read. */
const SHOWN_APPROVERS = 5;

/** How an approver is written in a policy. */
function actorKey(actor: Actor): string {
  return `${actor.via}:${actor.id}`;
}

/** Somebody who would decide, and what is known of them. */
export interface Decider {
  by: Actor;
  /** They decide from the conversation that the session belongs to. */
  in_conversation: boolean;
  /** The policy's groups (`slack:group:S1`) that they are known to be in. */
  groups?: readonly string[];
}

/** The user groups that a policy names, of this connector. */
export function groupsOf(policy: ApprovalPolicy, via: string): string[] {
  return policy.approvers.filter((id) => id.startsWith(`${via}:group:`));
}

/** Why this person may not decide, as a sentence for them; null when they may. */
export function refusalFor(
  approval: Pick<Approval, 'policy' | 'requested_by'>,
  { by, in_conversation, groups = [] }: Decider,
  nameOf: (id: string) => string = idOf,
): string | null {
  const { policy, requested_by } = approval;
  if (policy.four_eyes && requested_by !== null && actorKey(requested_by) === actorKey(by)) {
    return 'You asked for this, so somebody else has to decide it.';
  }
  if (by.via === API) return null;
  if (policy.approvers.length === 0) {
    return in_conversation ? null : 'Only people in the conversation may decide this.';
  }
  if ([actorKey(by), ...groups].some((id) => policy.approvers.includes(id))) return null;
  return `You may not decide this. Who may: ${describeApprovers(approval, nameOf)}.`;
}

/** Who may decide, in words that fit `Who may decide: …`. */
export function describeApprovers(
  approval: Pick<Approval, 'policy' | 'requested_by'>,
  nameOf: (id: string) => string = idOf,
): string {
  const { approvers, four_eyes } = approval.policy;
  const except = four_eyes && approval.requested_by !== null ? ` except ${approval.requested_by.name}` : '';
  if (approvers.length === 0) return `anyone in this conversation${except}`;
  const shown = approvers.slice(0, SHOWN_APPROVERS).map(nameOf);
  const more = approvers.length - shown.length;
  return `${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''}${except}`;
}

function idOf(key: string): string {
  return key.slice(key.indexOf(':') + 1);
}
