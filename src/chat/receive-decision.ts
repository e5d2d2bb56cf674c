import type { Approvals } from '../approvals/approvals.ts';
import type { InboundDecision, Receipt } from './connector.ts';
import type { ConversationStore } from './conversation-store.ts';
import type { SessionDirectory } from './session-directory.ts';

export interface ReceiveDecisionDeps {
  approvals: Pick<Approvals, 'find' | 'decide'>;
  conversations: ConversationStore;
  directory: SessionDirectory;
}

/** A click on a card. Whatever comes of it, the person is told. */
export async function receiveDecision(deps: ReceiveDecisionDeps, inbound: InboundDecision): Promise<Receipt> {
  const { conversation, person, approval_id, decision, reason } = inbound;
  const workspace_id = await deps.directory.workspaceOf(conversation.connector, conversation.tenant);
  const result = await deps.approvals.decide({
    workspace_id,
    approval_id,
    decision,
    ...(reason === undefined ? {} : { reason }),
    by: { via: conversation.connector, id: person.id, name: person.name },
    in_conversation: await isInConversation(deps, workspace_id, inbound),
  });
  return { effect: result.result === 'decided' ? 'accepted' : 'refused', text: result.text };
}

/** The click came from the place that the question was asked in. */
async function isInConversation(
  deps: ReceiveDecisionDeps,
  workspace_id: string,
  inbound: InboundDecision,
): Promise<boolean> {
  const approval = await deps.approvals.find(workspace_id, inbound.approval_id);
  if (approval === null) return false;
  const session = await deps.directory.find({ workspace_id, session_id: approval.session_id });
  if (session === null || session.conversation_id === null) return false;
  const asked = await deps.conversations.find(session.conversation_id);
  const { connector, channel, thread } = inbound.conversation;
  // Not the tenant: Slack Connect and Enterprise Grid name another team at the click than at the post.
  return asked !== null && asked.connector === connector && asked.channel === channel && asked.thread === thread;
}
