import type { KnownBlock } from '@slack/types';
import { z } from 'zod';
import type { ApprovalCard } from '../../src/chat/connector.ts';
import { cut, escape, escapeWithin, shorten } from './mrkdwn.ts';

/*
 * Limits of Block Kit (docs.slack.dev/reference/block-kit): header 150, section 3,000, button value 2,000. A command
 * is shown as code in pieces of one section's size; over all blocks Slack takes about 13,200 characters.
 */
const HEADER = 150;
const SUMMARY = 2_000;
const PIECE = 2_900;
const PIECES = 3;
const SHORT_DETAIL = 600;
const NOTE = 600;

export const APPROVE_ACTION = 'deckhand_approve';
export const DENY_ACTION = 'deckhand_deny';

const buttonValue = z.object({ approval_id: z.string(), thread: z.string() });

/** What a button carries: the approval, and the thread of the conversation its card belongs to. */
export type ButtonValue = z.infer<typeof buttonValue>;

/** Null when the button is not one of ours. */
export function parseButtonValue(value: string): ButtonValue | null {
  try {
    return buttonValue.parse(JSON.parse(value));
  } catch {
    return null;
  }
}

/** Code as it is, whatever backticks or markup it holds; what does not fit is counted, never silently dropped. */
function code(detail: string, pieces: number, size: number): KnownBlock[] {
  const blocks: KnownBlock[] = [];
  let rest = detail;
  while (rest !== '' && blocks.length < pieces) {
    const piece = cut(rest, size);
    rest = rest.slice(piece.length);
    const element = { type: 'rich_text_preformatted' as const, elements: [{ type: 'text' as const, text: piece }] };
    blocks.push({ type: 'rich_text', elements: [element] });
  }
  if (rest !== '') blocks.push(note(`:scissors: ${rest.length} more characters are not shown here.`));
  return blocks;
}

/** Small print; `text` is already mrkdwn. */
function note(text: string): KnownBlock {
  return { type: 'context', elements: [{ type: 'mrkdwn', text }] };
}

/** Slack shows it in each reader's own time zone. */
function when(iso: string): string {
  const seconds = Math.floor(Date.parse(iso) / 1_000);
  return Number.isNaN(seconds) ? escape(iso) : `<!date^${seconds}^{date_short_pretty} {time}|${escape(iso)}>`;
}

function heading(card: ApprovalCard): string {
  const titles = {
    pending: 'Approval needed',
    allowed: 'Approved',
    denied: 'Denied',
    expired: 'Expired',
    withdrawn: 'Withdrawn',
  };
  return `${titles[card.state.status]}: ${card.tool_name}`;
}

function outcome(state: Exclude<ApprovalCard['state'], { status: 'pending' }>): string {
  switch (state.status) {
    case 'allowed':
    case 'denied': {
      const verb = state.status === 'allowed' ? ':white_check_mark: Approved' : ':no_entry: Denied';
      const why = state.reason === null ? '' : `\n> ${escapeWithin(state.reason.replaceAll(/\s+/g, ' '), NOTE)}`;
      return `${verb} by *${escapeWithin(state.by.name, 100)}* ${when(state.at)} (${escapeWithin(state.via, 50)})${why}`;
    }
    case 'expired':
      return `:hourglass: Expired ${when(state.at)}: nobody decided in time, so it was not run.`;
    case 'withdrawn':
      return `:leftwards_arrow_with_hook: Withdrawn ${when(state.at)}: it is no longer needed.`;
    default:
      return state satisfies never;
  }
}

function asking(card: ApprovalCard): string {
  const parts = [
    card.requested_by === null ? null : `Requested by *${escapeWithin(card.requested_by.name, 100)}*`,
    `Who may decide: ${withMentions(escapeWithin(card.approvers, NOTE))}`,
    card.expires_at === null ? null : `Denies itself ${when(card.expires_at)}`,
    card.state.status === 'pending' && card.state.reminded > 0
      ? `Reminded ${card.state.reminded} time${card.state.reminded === 1 ? '' : 's'}`
      : null,
  ];
  return parts.filter((part) => part !== null).join('  ·  ');
}

function buttons(card: ApprovalCard, thread: string): KnownBlock {
  const value = JSON.stringify({ approval_id: card.approval_id, thread } satisfies ButtonValue);
  return {
    type: 'actions',
    block_id: `approval:${card.approval_id}`,
    elements: [
      {
        type: 'button',
        action_id: APPROVE_ACTION,
        style: 'primary',
        value,
        text: { type: 'plain_text', text: 'Approve' },
      },
      { type: 'button', action_id: DENY_ACTION, style: 'danger', value, text: { type: 'plain_text', text: 'Deny' } },
    ],
  };
}

/** The card in its true state; only a pending one has buttons. */
export function approvalBlocks(card: ApprovalCard, thread: string): KnownBlock[] {
  const header: KnownBlock = { type: 'header', text: { type: 'plain_text', text: shorten(heading(card), HEADER) } };
  const summary: KnownBlock = {
    type: 'section',
    text: { type: 'mrkdwn', text: escapeWithin(card.summary || card.tool_name, SUMMARY) },
  };
  if (card.state.status === 'pending') {
    return [header, summary, ...code(card.detail, PIECES, PIECE), note(asking(card)), buttons(card, thread)];
  }
  return [header, summary, ...code(card.detail, 1, SHORT_DETAIL), note(outcome(card.state))];
}

/** The same in one line, for notifications and screen readers; markup is not yet escaped. */
export function approvalText(card: ApprovalCard): string {
  const { state } = card;
  const by = state.status === 'allowed' || state.status === 'denied' ? ` by ${state.by.name}` : '';
  return `${heading(card)}${by}. ${card.summary}`;
}

/** Slack's user ids (U… or W…) as mentions, which everybody sees as names and which notify them. */
function withMentions(text: string): string {
  return text.replace(/\b[UW][A-Z0-9]{7,11}\b/g, '<@$&>');
}
