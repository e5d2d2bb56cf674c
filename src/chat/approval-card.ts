import { type Approval, escalationDue, reminderOf } from '../approvals/approval.ts';
import { decidersOf, describeApprovers } from '../approvals/policy.ts';
import type { Actor, EventOf } from '../session/event.ts';
import { mentionsOf, type NameOf } from './names.ts';
import type { ApprovalCard } from './outgoing.ts';
import type { Person } from './place.ts';
import { visible } from './visible.ts';

/** The card of an approval that waits, on the platform `via`. @param admins as `describeApprovers` */
export function cardOf(
  approval: Approval,
  { via, nameOf, admins }: { via: string; nameOf: NameOf; admins: boolean },
): ApprovalCard {
  const { policy, requested_by, also_asked, votes = [], escalations = [] } = approval;
  const { quorum, for_session } = policy;
  const mentions = mentionsOf(policy.approvers, via);
  const steps = (policy.escalate_to ?? []).flatMap((to, index) => {
    const at = escalationDue(approval, index + 1);
    return at === null ? [] : [{ to: nameOf(to), at: at.toISOString() }];
  });
  return {
    approval_id: approval._id,
    tool_name: approval.tool_name,
    ...whatOf(approval),
    requested_by: requested_by === null ? null : personOf(requested_by),
    ...(also_asked === undefined ? {} : { also_asked: also_asked.map(personOf) }),
    approvers: describeApprovers(approval, nameOf, admins),
    ...(mentions.length === 0 ? {} : { mentions }),
    ...(quorum === undefined ? {} : { quorum }),
    ...(for_session === undefined ? {} : { for_session }),
    ...(steps.length === 0 ? {} : { escalations: steps }),
    expires_at: approval.expires_at?.toISOString() ?? null,
    state: {
      status: 'pending',
      reminded: approval.reminded,
      ...(votes.length === 0 ? {} : { approved_by: votes.map((vote) => personOf(vote.by)) }),
      ...(escalations.length === 0 ? {} : { escalated: escalations.length }),
    },
  };
}

/** The card outside of the conversation that it is about, where "this conversation" would be another. */
export function cardElsewhere(card: ApprovalCard): ApprovalCard {
  const approvers = card.approvers.replace(
    /^members in this conversation/,
    'members in the conversation where it was asked',
  );
  return { ...card, approvers };
}

/** All whom its card may name. */
export function namedIn(approval: Approval): string[] {
  return [...decidersOf(approval), ...(approval.policy.escalate_to ?? [])];
}

/** What will be done and why: kept from the conversation when the policy says so, Claude's own words included. */
function whatOf(approval: Approval): Pick<ApprovalCard, 'summary' | 'detail' | 'why' | 'private_detail'> {
  const { policy, tool_name, summary, detail, why } = approval;
  if (policy.private_detail === true)
    return { summary: `Use the tool ${tool_name}.`, detail: '', private_detail: true };
  return { summary: visible(summary), detail: visible(detail), ...(why === undefined ? {} : { why }) };
}

/** What may become of a question. */
export type ApprovalNews = EventOf<
  'deckhand.approval_decided' | 'deckhand.approval_reminded' | 'deckhand.approval_voted' | 'deckhand.approval_escalated'
>;

/** The same card after something happened to its approval. */
export function cardAfter(card: ApprovalCard, event: ApprovalNews): ApprovalCard {
  const { state } = card;
  if (event.type === 'deckhand.approval_decided') return { ...card, state: decidedState(event) };
  if (state.status !== 'pending') return card;
  switch (event.type) {
    case 'deckhand.approval_reminded':
      // Shown again by another gateway, it is none more.
      return { ...card, state: { ...state, reminded: Math.max(state.reminded, reminderOf(event)) } };
    case 'deckhand.approval_escalated':
      return { ...card, state: { ...state, escalated: event.step } };
    case 'deckhand.approval_voted': {
      const others = (state.approved_by ?? []).filter((person) => person.id !== event.by.id);
      return { ...card, state: { ...state, approved_by: [...others, personOf(event.by)] } };
    }
    default:
      return event satisfies never;
  }
}

function decidedState(event: EventOf<'deckhand.approval_decided'>): ApprovalCard['state'] {
  const { outcome: status, processed_at: at, reason, approved_by, for_session } = event;
  if (status === 'expired' || status === 'withdrawn') return { status, at };
  const by = event.by ?? { via: 'deckhand', id: 'deckhand', name: 'Deckhand' };
  return {
    status,
    by: personOf(by),
    at,
    reason,
    via: by.via,
    ...(approved_by === undefined ? {} : { approved_by: approved_by.map(personOf) }),
    ...(for_session === undefined ? {} : { for_session }),
  };
}

function personOf({ id, name }: Actor): Person {
  return { id, name };
}
