import type { Overview } from '../../src/chat/inbound.ts';
import { waitingApproval } from './cards.ts';

/** What the Home tab of somebody shows who has much to do. */
export const busy: Overview = {
  agents: [
    { agent_id: 'agent_1', name: 'Reviewer', description: 'Reads pull requests, kindly', paused: false },
    { agent_id: 'agent_2', name: 'Deployer', description: null, paused: true },
  ],
  sessions: [
    {
      session_id: 'sesn_1',
      title: 'Why is staging down?',
      agent_name: 'Reviewer',
      state: 'running',
      link: 'https://x.slack.test/1',
    },
    { session_id: 'sesn_2', title: 'On the page', agent_name: 'deckhand', state: 'waits for approval', link: null },
  ],
  waiting: {
    approvals: [
      waitingApproval('appr_1', {
        card: {
          why: 'The disk is full: the old builds have to go.',
          expires_at: '2026-11-20T14:00:00.000Z',
          for_session: 'tool',
        },
      }),
    ],
    more: 0,
  },
  more: { agents: 0, sessions: 0 },
  month: { mine: { cents: 1234, sessions: 3 }, all: { cents: 99_900, sessions: 120 } },
  may_create: true,
};
export const empty: Overview = {
  agents: [],
  sessions: [],
  waiting: { approvals: [], more: 0 },
  more: { agents: 0, sessions: 0 },
  month: { mine: { cents: 0, sessions: 0 }, all: null },
  may_create: false,
};
