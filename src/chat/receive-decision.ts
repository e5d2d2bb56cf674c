import type { Approval } from '../approvals/approval.ts';
import type { Approvals } from '../approvals/approvals.ts';
import { type Decider, groupsOf, refusalFor } from '../approvals/policy.ts';
import type { Connector, ConversationKey, InboundDecision, Receipt } from './connector.ts';
import type { ConversationStore } from './conversation-store.ts';
import { namesOf } from './names.ts';
import type { SessionDirectory } from './session-directory.ts';

export interface ReceiveDecisionDeps {
  approvals: Pick<Approvals, 'find' | 'decide'>;
  conversations: ConversationStore;
  directory: SessionDirectory;
  connectors: ReadonlyMap<string, Pick<Connector, 'nameOf' | 'groups'>>;
}

/** A click on a card. Whatever comes of it, the person is told. */
export async function receiveDecision(deps: ReceiveDecisionDeps, inbound: InboundDecision): Promise<Receipt> {
  const { conversation, approval_id, decision, reason, for_session } = inbound;
  const workspace_id = await deps.directory.workspaceOf(conversation.connector, conversation.tenant);
  const decider = await deciderOf(deps, workspace_id, inbound);
  const result = await deps.approvals.decide({
    ...decider,
    workspace_id,
    approval_id,
    decision,
    ...(reason === undefined ? {} : { reason }),
    ...(for_session === undefined ? {} : { for_session }),
  });
  if (result.result === 'not_allowed') {
    const names = await namesOf(deps.connectors, result.approval.policy.approvers);
    return { effect: 'refused', text: refusalFor(result.approval, decider, names) ?? result.text };
  }
  const counts = result.result === 'decided' || result.result === 'voted';
  return { effect: counts ? 'accepted' : 'refused', text: result.text };
}

/** The person, and what the platform and the place say about them. */
async function deciderOf(
  deps: ReceiveDecisionDeps,
  workspace_id: string,
  { approval_id, conversation, person }: InboundDecision,
): Promise<Decider> {
  const { connector } = conversation;
  const by = { via: connector, id: person.id, name: person.name };
  const approval = await deps.approvals.find(workspace_id, approval_id);
  if (approval === null) return { by, in_conversation: false };
  const groups = groupsOf(approval.policy, connector);
  const platform = deps.connectors.get(connector)?.groups;
  const member = await Promise.all(
    groups.map(async (group) => (await platform?.includes(group.slice(`${connector}:group:`.length), person)) ?? false),
  );
  return {
    by,
    in_conversation: await isInConversation(deps, approval, conversation),
    groups: groups.filter((_group, index) => member[index]),
  };
}

/** The click came from the place that the question was asked in. */
async function isInConversation(
  deps: ReceiveDecisionDeps,
  { workspace_id, session_id }: Approval,
  at: ConversationKey,
): Promise<boolean> {
  const session = await deps.directory.find({ workspace_id, session_id });
  if (session === null || session.conversation_id === null) return false;
  const asked = await deps.conversations.find(session.conversation_id);
  const { connector, channel, thread } = at;
  // Not the tenant: Slack Connect and Enterprise Grid name another team at the click than at the post.
  return asked !== null && asked.connector === connector && asked.channel === channel && asked.thread === thread;
}
