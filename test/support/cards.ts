import type { ApprovalCard, Outgoing } from '../../src/chat/connector.ts';

/** A card that waits for a decision; say only what the test is about. */
function approvalCard(over: Partial<ApprovalCard> = {}): ApprovalCard {
  return {
    approval_id: 'appr_1',
    tool_name: 'bash',
    summary: 'Delete the build folder',
    detail: 'rm -rf build',
    requested_by: { id: 'U_ANA', name: 'Ana' },
    approvers: 'anyone in this conversation',
    expires_at: null,
    state: { status: 'pending', reminded: 0 },
    ...over,
  };
}

export function textOut(deliveryId: string, markdown: string, live = false): Outgoing {
  return { kind: 'text', delivery_id: deliveryId, markdown, live, agent_name: 'Deckhand' };
}

export function approvalOut(deliveryId: string, over: Partial<ApprovalCard> = {}): Outgoing {
  return { kind: 'approval', delivery_id: deliveryId, card: approvalCard(over), agent_name: 'Deckhand' };
}
