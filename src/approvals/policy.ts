import type { Actor } from '../session/event.ts';
import type { Approval } from './approval.ts';

/** Whoever uses the API holds a key of the workspace, and could change the policy itself. */
export const API = 'api';

/** Longest list of names that is still read. */
const SHOWN_NAMES = 5;

const UNSURE = 'The chat platform does not say just now whether you may decide this. Please try again in a moment.';

/** How an approver is written in a policy. */
export function actorKey(actor: Pick<Actor, 'via' | 'id'>): string {
  return `${actor.via}:${actor.id}`;
}

/** What says who may decide. */
type Question = Pick<Approval, 'policy' | 'requested_by' | 'also_asked' | 'escalations'>;

/** Somebody who would decide, and what is known of them. */
export interface Decider {
  by: Actor;
  /** They decide from the conversation that the session belongs to. */
  in_conversation: boolean;
  /** They are a guest there: they decide only what they are named for themselves, wherever they are. */
  guest?: boolean;
  /** They are an admin, and those in the conversation cannot decide it by themselves. */
  as_admin?: boolean;
  /** Of the groups and channels that may decide, those that they are known to be in. */
  belongs_to?: readonly string[];
  /** What their platform does not say just now could let them. */
  unsure?: boolean;
}

/** Who may decide: what the policy names (nobody: members in the conversation), and who was asked besides. */
export function decidersOf({ policy, escalations = [] }: Pick<Question, 'policy' | 'escalations'>): string[] {
  return [...new Set([...policy.approvers, ...escalations.map(({ to }) => to)])];
}

/** Everybody who asked for what the call does, whoever said the last word. */
export function requestersOf({
  requested_by,
  also_asked = [],
}: Pick<Question, 'requested_by' | 'also_asked'>): Actor[] {
  return requested_by === null ? [] : [requested_by, ...also_asked];
}

export function isRequester(
  approval: Pick<Question, 'requested_by' | 'also_asked'>,
  by: Pick<Actor, 'via' | 'id'>,
): boolean {
  return requestersOf(approval).some(({ via, id }) => via === by.via && id === by.id);
}

/** Somebody who has no more to say: they have approved, or asked for it where others have to decide. */
export function isThrough(
  approval: Pick<Approval, 'policy' | 'requested_by' | 'also_asked' | 'votes'>,
  by: Pick<Actor, 'via' | 'id'>,
): boolean {
  const hasVoted = (approval.votes ?? []).some((vote) => vote.by.via === by.via && vote.by.id === by.id);
  return hasVoted || (approval.policy.four_eyes && isRequester(approval, by));
}

/** Why this person may not decide so, as a sentence for them; null when they may. @param decision by default to approve */
export function refusalFor(
  approval: Question,
  {
    by,
    in_conversation,
    guest = false,
    as_admin = false,
    belongs_to = [],
    unsure = false,
    decision = 'allow',
  }: Decider & {
    decision?: 'allow' | 'deny';
  },
  nameOf: (id: string) => string = idOf,
): string | null {
  const { policy } = approval;
  // Whoever asked for it may think better of it.
  if (policy.four_eyes && decision === 'allow' && isRequester(approval, by)) {
    return 'You asked for this, so somebody else has to approve it.';
  }
  if (by.via === API) return null;
  if (policy.approvers.length === 0 && (as_admin || (in_conversation && !guest))) return null;
  const deciders = decidersOf(approval);
  if (deciders.includes(actorKey(by))) return null;
  if (!guest && belongs_to.some((id) => deciders.includes(id))) return null;
  if (unsure) return UNSURE;
  if (policy.approvers.length === 0) {
    return guest ? 'Guests may not decide this.' : 'Only members in the conversation may decide this.';
  }
  return `You may not decide this. Who may: ${describeApprovers(approval, nameOf)}.`;
}

/**
 * Who may decide, in words that fit `Who may decide: …`.
 * @param admins they may as well, because those in the conversation cannot by themselves
 */
export function describeApprovers(approval: Question, nameOf: (id: string) => string = idOf, admins = false): string {
  const { approvers, four_eyes } = approval.policy;
  const requesters = requestersOf(approval).map(({ name }) => name);
  const except = four_eyes && requesters.length > 0 ? ` except ${listed(requesters)}` : '';
  if (approvers.length === 0) return `members in this conversation${admins ? ' and admins' : ''}${except}`;
  return `${listed(decidersOf(approval).map(nameOf))}${except}`;
}

function listed(names: readonly string[]): string {
  const more = names.length - SHOWN_NAMES;
  return `${names.slice(0, SHOWN_NAMES).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function idOf(key: string): string {
  return key.slice(key.indexOf(':') + 1);
}
