import { describe, expect, it } from 'vitest';
import { render } from '../../../connectors/slack/render.ts';
import type { ApprovalCard } from '../../../src/chat/connector.ts';
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

describe('an approval card in Slack', () => {
  it.each(Object.entries(STATES))('%s', async (name, over) => {
    const { text, blocks } = render(approvalOut('dlv_1', over), '5.1');
    const sent: SlackBlock[] = JSON.parse(JSON.stringify(blocks));
    checkBlocks(sent);
    await expect(`${JSON.stringify({ text, blocks: sent }, null, 2)}\n`).toMatchFileSnapshot(
      `../../snapshots/slack/${name}.json`,
    );
  });
});
