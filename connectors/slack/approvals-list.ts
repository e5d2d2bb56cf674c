import type { KnownBlock } from '@slack/types';
import type { WaitingApproval, WaitingApprovals } from '../../src/chat/inbound.ts';
import { asking, buttons, note, summaryBlock, when } from './approval-blocks.ts';
import { SLACK } from './conversation-id.ts';
import { escapeWithin } from './mrkdwn.ts';

/** Ten of them fit what Slack takes over all blocks of a message. */
const SUMMARY = 250;
const NOTHING = 'Nothing waits for you.';

/** What waits for one person, with buttons: for an ephemeral message and for the Home tab. At most ten, in 41 blocks. */
export function waitingBlocks({ approvals, more }: WaitingApprovals): KnownBlock[] {
  if (approvals.length === 0) return [note(NOTHING)];
  return [
    ...approvals.flatMap(waitingOne),
    ...(more === 0 ? [] : [note(`${more} more wait; they are shown when these are decided.`)]),
  ];
}

/** The same in one line. */
export function waitingText({ approvals, more }: WaitingApprovals): string {
  const count = approvals.length + more;
  if (count === 0) return NOTHING;
  return `${count} ${count === 1 ? 'approval waits' : 'approvals wait'} for you.`;
}

function waitingOne({ card, agent_name, asked_at, conversation }: WaitingApproval): KnownBlock[] {
  if (card.state.status !== 'pending') return [];
  const there = conversation?.connector === SLACK ? conversation : null;
  const place =
    there === null ? '' : there.channel.startsWith('D') ? ' in a direct message' : ` in <#${there.channel}>`;
  const asked = `*${escapeWithin(agent_name, 100)}* asked ${when(asked_at)}${place}`;
  // Where there is no conversation in Slack, the buttons name none: only those whom the policy names may then decide.
  const at = there === null ? { thread: '-', channel: '-' } : { thread: there.thread, channel: there.channel };
  return [summaryBlock(card, SUMMARY), note(asked), ...asking(card, card.state).slice(0, 1), buttons(card, at)];
}
