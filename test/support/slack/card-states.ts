import type { ApprovalCard } from '../../../src/chat/outgoing.ts';
import { bash } from '../../../src/tools/toolset/bash.ts';

const ana = { id: 'U_ANA', name: 'Ana' };
const ben = { id: 'U_BEN', name: 'Ben' };
export const at = '2026-11-20T10:00:00.000Z';

/** As bash itself says it. */
function asked(command: string): Partial<ApprovalCard> {
  const { summary, detail } = bash.describe({ command });
  return { summary, detail };
}

/** What a card says, by the name of its snapshot. */
export const STATES: Record<string, Partial<ApprovalCard>> = {
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
  'approval-elsewhere': {
    approvers: 'members in the conversation where it was asked',
    about: { link: 'https://deckhand.slack.test/archives/C0OPS/p51', channel: 'C0OPS' },
  },
  'approval-named': {
    approvers: 'Ben, @oncall',
    about: { link: 'https://deckhand.slack.test/archives/C0OPS/p51', channel: 'C0OPS', person: 'U_BEN', named: true },
  },
  'approval-asked-directly': {
    approvers: 'Ben, @oncall, Cara',
    elsewhere: {
      asked: ['Ben', '@oncall'],
      not_asked: [{ name: 'Cara', why: 'their account is deactivated' }],
      left_out: 3,
    },
  },
  'approval-for-same-call': { for_session: 'arguments' },
  'approval-elsewhere-unknown': { about: { link: null } },
  'approval-long': asked(`for build in ${'old-build '.repeat(200)}; do rm -rf $build; done`),
  'approval-private': { summary: 'Use the tool bash.', detail: '', private_detail: true },
  'approval-asked-by-two': { also_asked: [ben], approvers: 'members in this conversation except Ana, Ben' },
  'approval-one-of-two': { quorum: 2, state: { status: 'pending', reminded: 1, approved_by: [ana] } },
  'approval-allowed': {
    why: 'The disk is full:\nthe old builds have to go.',
    state: { status: 'allowed', by: ben, at, reason: null, via: 'slack' },
  },
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
  'approval-denied-long': {
    ...asked(`for build in ${'old-build '.repeat(200)}; do rm -rf $build; done`),
    state: { status: 'denied', by: ben, at, reason: null, via: 'slack' },
  },
  'approval-allowed-for-session': {
    state: { status: 'allowed', by: ben, at, reason: null, via: 'slack', for_session: 'tool' },
  },
  'approval-expired': { state: { status: 'expired', at } },
  'approval-withdrawn': { state: { status: 'withdrawn', at } },
};
