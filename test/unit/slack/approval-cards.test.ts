import { describe, expect, it } from 'vitest';
import { waitingBlocks, waitingText } from '../../../connectors/slack/approvals-list.ts';
import { denyModal } from '../../../connectors/slack/deny-modal.ts';
import { detailsModal } from '../../../connectors/slack/details-modal.ts';
import { render } from '../../../connectors/slack/render.ts';
import type { WaitingApproval } from '../../../src/chat/inbound.ts';
import type { ApprovalCard } from '../../../src/chat/outgoing.ts';
import { approvalOut } from '../../support/cards.ts';
import { checkBlocks } from '../../support/slack/block-limits.ts';
import type { SlackBlock } from '../../support/slack/workspace.ts';

const ana = { id: 'U_ANA', name: 'Ana' };
const ben = { id: 'U_BEN', name: 'Ben' };
const at = '2026-11-20T10:00:00.000Z';

const STATES: Record<string, Partial<ApprovalCard>> = {
  'approval-pending': {
    mentions: [
      { kind: 'person', id: 'U_BEN' },
      { kind: 'group', id: 'S_ONCALL' },
    ],
    approvers: 'Ben, @oncall',
    expires_at: '2026-11-20T14:00:00.000Z',
    for_session: 'tool',
  },
  'approval-escalating': {
    why: 'The disk is full: the old builds have to go.',
    escalations: [
      { to: 'Ben', at: '2026-11-20T11:00:00.000Z' },
      { to: '#C0ONCALL', at: '2026-11-20T12:00:00.000Z' },
    ],
    expires_at: '2026-11-20T14:00:00.000Z',
    state: { status: 'pending', reminded: 0, escalated: 1 },
  },
  'approval-elsewhere': { about: { link: 'https://deckhand.slack.test/archives/C1/p51' } },
  'approval-long': { detail: `for build in ${'old-build '.repeat(200)}; do rm -rf $build; done` },
  'approval-private': { summary: 'Use the tool bash.', detail: '', private_detail: true },
  'approval-one-of-two': { quorum: 2, state: { status: 'pending', reminded: 1, approved_by: [ana] } },
  'approval-allowed': { state: { status: 'allowed', by: ben, at, reason: null, via: 'slack' } },
  'approval-allowed-by-two': {
    quorum: 2,
    state: {
      status: 'allowed',
      by: ben,
      at,
      reason: null,
      via: 'web',
      approved_by: [ana, ben],
      for_session: 'arguments',
    },
  },
  'approval-denied': { state: { status: 'denied', by: ben, at, reason: 'Not on a Friday', via: 'slack' } },
  'approval-expired': { state: { status: 'expired', at } },
  'approval-withdrawn': { state: { status: 'withdrawn', at } },
};

/** As it arrives at Slack, within its limits. */
async function snapshot(name: string, sent: { text?: string; blocks: unknown }): Promise<void> {
  const arrived: { blocks: SlackBlock[] } = JSON.parse(JSON.stringify(sent));
  checkBlocks(arrived.blocks);
  await expect(`${JSON.stringify(arrived, null, 2)}\n`).toMatchFileSnapshot(`../../snapshots/slack/${name}.json`);
}

describe('an approval card in Slack', () => {
  it.each(Object.entries(STATES))('%s', async (name, over) => {
    const { text, blocks } = render(approvalOut('dlv_1', over), '5.1');
    await snapshot(name, { text, blocks });
  });
});

describe('a modal of an approval', () => {
  it('approval-deny-modal', () =>
    snapshot('approval-deny-modal', denyModal({ channel: 'C1', thread: '5.1', approval_id: 'appr_1' })));

  it('approval-details-modal', () =>
    snapshot(
      'approval-details-modal',
      detailsModal({ summary: 'Run: rm -rf build', why: 'It is in the way.', detail: 'rm -rf build' }),
    ));

  it('stays within Slack’s limits however long the call is, and says how much is missing', () => {
    const long = '&'.repeat(100_000);
    const { blocks } = detailsModal({ summary: long, why: long, detail: long });
    checkBlocks(JSON.parse(JSON.stringify(blocks)));
    expect(JSON.stringify(blocks)).toContain('88400 more characters');
  });
});

describe('the list of what waits', () => {
  function waiting(id: string, over: Partial<ApprovalCard> = {}): WaitingApproval {
    const out = approvalOut('dlv', { approval_id: id, ...over });
    if (out.kind !== 'approval') throw new Error('It is no card');
    const conversation = { connector: 'slack', tenant: 'T1', channel: 'C0OPS', thread: '5.1' };
    return { card: out.card, agent_name: 'Deckhand', conversation, asked_at: at };
  }

  it('approvals-list', async () => {
    const direct = waiting('appr_2', { for_session: 'tool' });
    const approvals = [
      waiting('appr_1'),
      { ...direct, conversation: { connector: 'slack', tenant: 'T1', channel: 'D0BEN', thread: '6.1' } },
      { ...waiting('appr_3'), conversation: null },
    ];
    const list = { approvals, more: 4 };
    await snapshot('approvals-list', { text: waitingText(list), blocks: waitingBlocks(list) });
    await snapshot('approvals-list-empty', {
      text: waitingText({ approvals: [], more: 0 }),
      blocks: waitingBlocks({ approvals: [], more: 0 }),
    });
  });

  it('fits one message with ten that are as large as they get', () => {
    const long = '&'.repeat(200);
    const card = {
      summary: long,
      approvers: long,
      requested_by: { id: 'U', name: long },
      private_detail: true as const,
    };
    const approvals = Array.from({ length: 10 }, (_, index) => waiting(`appr_${index}`, card));
    checkBlocks(JSON.parse(JSON.stringify(waitingBlocks({ approvals, more: 1 }))));
  });
});
