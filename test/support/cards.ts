import type { WaitingApproval } from '../../src/chat/inbound.ts';
import type { ApprovalCard, Outgoing, PlannedCall } from '../../src/chat/outgoing.ts';
import { bash } from '../../src/tools/toolset/bash.ts';

/** What people are asked in most tests, as the tool itself says it. */
export const REMOVAL = bash.describe({ command: 'rm -rf build' });

/** A card that waits for a decision; say only what the test is about. */
function approvalCard(over: Partial<ApprovalCard> = {}): ApprovalCard {
  return {
    approval_id: 'appr_1',
    tool_name: 'bash',
    summary: REMOVAL.summary,
    detail: REMOVAL.detail,
    requested_by: { id: 'U_ANA', name: 'Ana' },
    approvers: 'members in this conversation',
    expires_at: null,
    state: { status: 'pending', reminded: 0 },
    ...over,
  };
}

export function textOut(deliveryId: string, markdown: string, live = false): Outgoing {
  return { kind: 'text', delivery_id: deliveryId, markdown, live, agent_name: 'Deckhand' };
}

/** The end of an answer, which people may rate. */
export function answerOut(deliveryId: string, markdown: string): Outgoing {
  const answer = { session_id: 'sesn_1', event_id: 'sevt_answer' };
  return { kind: 'text', delivery_id: deliveryId, markdown, live: false, answer, agent_name: 'Deckhand' };
}

/** A call of a plan; say only what the test is about. */
export function plannedCall(over: Partial<PlannedCall> = {}): PlannedCall {
  return { id: 'sevt_1', title: 'Run a command', detail: 'ls', status: 'running', output: '', ...over };
}

export function planOut(
  deliveryId: string,
  calls: PlannedCall[],
  over: { live?: boolean; over?: boolean } = {},
): Outgoing {
  const { live = true, over: isOver = false } = over;
  return { kind: 'plan', delivery_id: deliveryId, calls, live, over: isOver, agent_name: 'Deckhand' };
}

export function approvalOut(deliveryId: string, over: Partial<ApprovalCard> = {}): Outgoing {
  return { kind: 'approval', delivery_id: deliveryId, card: approvalCard(over), agent_name: 'Deckhand' };
}

/** An approval of somebody's list, asked in a thread of Slack; say only what the test is about. */
export function waitingApproval(
  approval_id: string,
  over: Partial<Omit<WaitingApproval, 'card'>> & { card?: Partial<ApprovalCard> } = {},
): WaitingApproval {
  return {
    agent_name: 'Deckhand',
    conversation: { connector: 'slack', tenant: 'T1', channel: 'C0OPS', thread: '5.1' },
    link: 'https://deckhand.slack.test/archives/C0OPS/p51',
    asked_at: '2026-11-20T10:00:00.000Z',
    ...over,
    card: approvalCard({ approval_id, ...over.card }),
  };
}
