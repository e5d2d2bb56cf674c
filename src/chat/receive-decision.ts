import type { Approvals } from '../approvals/approvals.ts';
import { UNKNOWN } from '../approvals/decide.ts';
import { decidersOf, refusalFor } from '../approvals/policy.ts';
import type { Connector } from './connector.ts';
import { askedBy, type DeciderDeps, deciderOf, isOfAnotherTenant } from './decider.ts';
import type { InboundDecision, Receipt } from './inbound.ts';
import { namesOf } from './names.ts';
import type { SessionDirectory } from './session-directory.ts';

export interface ReceiveDecisionDeps extends DeciderDeps {
  approvals: Pick<Approvals, 'find' | 'decide'>;
  directory: Pick<SessionDirectory, 'find' | 'workspaceOf'>;
  connectors: ReadonlyMap<
    string,
    Pick<Connector, 'closed_conversations' | 'nameOf' | 'groups' | 'isDirect' | 'isGuest'>
  >;
}

/** A click on a card. Whatever comes of it, the person is told. */
export async function receiveDecision(deps: ReceiveDecisionDeps, inbound: InboundDecision): Promise<Receipt> {
  const { conversation, person, approval_id, decision, reason, for_session } = inbound;
  const workspace_id = await deps.directory.workspaceOf(conversation.connector, conversation.tenant);
  const approval = await deps.approvals.find(workspace_id, approval_id);
  const by = { via: conversation.connector, id: person.id, name: person.name };
  const asked = approval === null ? null : await askedBy(deps, approval);
  if (asked !== null && isOfAnotherTenant(asked.conversation, conversation)) {
    return { effect: 'refused', text: UNKNOWN.text };
  }
  const decider =
    approval === null || asked === null
      ? { by, in_conversation: false }
      : await deciderOf(deps, approval, inbound, asked.conversation);
  const result = await deps.approvals.decide({
    ...decider,
    workspace_id,
    approval_id,
    decision,
    ...(reason === undefined ? {} : { reason }),
    ...(for_session === undefined ? {} : { for_session }),
  });
  if (result.result === 'not_allowed') {
    const names = await namesOf(deps.connectors, decidersOf(result.approval), conversation);
    return { effect: 'refused', text: refusalFor(result.approval, { ...decider, decision }, names) ?? result.text };
  }
  const counts = result.result === 'decided' || result.result === 'voted';
  return { effect: counts ? 'accepted' : 'refused', text: result.text };
}
