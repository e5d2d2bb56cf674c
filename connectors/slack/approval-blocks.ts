import type { Button, KnownBlock } from '@slack/types';
import { z } from 'zod';
import type { ApprovalCard, Person } from '../../src/chat/connector.ts';
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
/** More at once would be a crowd, and names are short. */
const MENTIONS = 20;

export const APPROVE_ACTION = 'deckhand_approve';
export const APPROVE_SESSION_ACTION = 'deckhand_approve_session';
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

const LASTING = {
  tool: ':repeat: Further calls of this tool run without asking for the rest of this session.',
  arguments: ':repeat: The same call runs without asking for the rest of this session.',
};

function outcome(state: Exclude<ApprovalCard['state'], { status: 'pending' }>): string {
  switch (state.status) {
    case 'allowed':
    case 'denied': {
      const verb = state.status === 'allowed' ? ':white_check_mark: Approved' : ':no_entry: Denied';
      const why = state.reason === null ? '' : `\n> ${escapeWithin(state.reason.replaceAll(/\s+/g, ' '), NOTE)}`;
      const all = state.approved_by ?? [state.by];
      const lasting = state.for_session === undefined ? '' : `\n${LASTING[state.for_session]}`;
      return `${verb} by ${namesOf(all)} ${when(state.at)} (${escapeWithin(state.via, 50)})${lasting}${why}`;
    }
    case 'expired':
      return `:hourglass: Expired ${when(state.at)}: nobody decided in time, so it was not run.`;
    case 'withdrawn':
      return `:leftwards_arrow_with_hook: Withdrawn ${when(state.at)}: it is no longer needed.`;
    default:
      return state satisfies never;
  }
}

type Pending = Extract<ApprovalCard['state'], { status: 'pending' }>;

function asking(card: ApprovalCard, state: Pending): KnownBlock[] {
  const who = [
    card.requested_by === null ? null : `Requested by *${escapeWithin(card.requested_by.name, 100)}*`,
    `Who may decide: ${approvers(card)}`,
  ];
  const then = [
    card.quorum === undefined ? null : approvedSoFar(card.quorum, state.approved_by ?? []),
    card.expires_at === null ? null : `If nobody decides, it is denied ${when(card.expires_at)}`,
    state.reminded > 0 ? `Reminded ${state.reminded} time${state.reminded === 1 ? '' : 's'}` : null,
  ];
  return [who, then]
    .map((parts) => parts.filter((part) => part !== null).join('  ·  '))
    .filter((text) => text !== '')
    .map(note);
}

/** Mentions, which everybody sees as names and which notify the people they name; the sentence where there are none. */
function approvers(card: ApprovalCard): string {
  const mentions = (card.mentions ?? []).slice(0, MENTIONS);
  if (mentions.length === 0) return escapeWithin(card.approvers, NOTE);
  const named = mentions.map(({ kind, id }) => (kind === 'group' ? `<!subteam^${escape(id)}>` : `<@${escape(id)}>`));
  const more = (card.mentions ?? []).length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** `1 of 2 have approved: Ana`. */
function approvedSoFar(quorum: number, people: readonly Person[]): string {
  const names = people.length === 0 ? '' : `: ${namesOf(people)}`;
  return `${people.length} of ${quorum} have approved${names}`;
}

function namesOf(people: readonly Person[]): string {
  return people.map(({ name }) => `*${escapeWithin(name, 100)}*`).join(', ');
}

function buttons(card: ApprovalCard, thread: string): KnownBlock {
  const value = JSON.stringify({ approval_id: card.approval_id, thread } satisfies ButtonValue);
  const button = (action_id: string, text: string): Button => {
    return { type: 'button', action_id, value, text: { type: 'plain_text', text } };
  };
  return {
    type: 'actions',
    block_id: `approval:${card.approval_id}`,
    elements: [
      { ...button(APPROVE_ACTION, 'Approve'), style: 'primary' },
      ...(card.for_session === undefined ? [] : [button(APPROVE_SESSION_ACTION, 'Approve for this session')]),
      { ...button(DENY_ACTION, 'Deny'), style: 'danger' },
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
    return [header, summary, ...code(card.detail, PIECES, PIECE), ...asking(card, card.state), buttons(card, thread)];
  }
  return [header, summary, ...code(card.detail, 1, SHORT_DETAIL), note(outcome(card.state))];
}

/** The same in one line, for notifications and screen readers; markup is not yet escaped. */
export function approvalText(card: ApprovalCard): string {
  const { state } = card;
  const by = state.status === 'allowed' || state.status === 'denied' ? ` by ${state.by.name}` : '';
  return `${heading(card)}${by}. ${card.summary}`;
}
