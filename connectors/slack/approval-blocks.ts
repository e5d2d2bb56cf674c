import type { Button, KnownBlock } from '@slack/types';
import { z } from 'zod';
import type { ApprovalCard, Called } from '../../src/chat/outgoing.ts';
import type { Mention, Person } from '../../src/chat/place.ts';
import { isDirect } from './conversation-id.ts';
import { cut, escape, escapeWithin, linked, shorten, withChannels } from './mrkdwn.ts';

/*
 * Limits of Block Kit (docs.slack.dev/reference/block-kit): header 150, section 3,000, button value 2,000. A command
 * is shown as code in pieces of one section's size; over all blocks Slack takes about 13,200 characters.
 */
const HEADER = 150;
const SUMMARY = 2_000;
const PIECE = 2_900;
/** Pieces of one page of a modal: with what else stands in it they stay within what Slack takes over all blocks. */
const PIECES = 4;
/** What a card shows of a command while it waits, and afterwards; a modal shows the rest. */
const CARD_DETAIL = 1_000;
const SHORT_DETAIL = 600;
const WHY = 300;
const NOTE = 600;
const NAME = 100;
/** More at once would be a crowd, and names are short. */
const MENTIONS = 20;

export const APPROVE_ACTION = 'deckhand_approve';
export const APPROVE_SESSION_ACTION = 'deckhand_approve_session';
export const DENY_ACTION = 'deckhand_deny';
export const REVIEW_ACTION = 'deckhand_details';

const buttonValue = z.object({
  approval_id: z.string(),
  thread: z.string().optional(),
  before: z.int().min(0).optional(),
});

/**
 * What a button carries: the approval, and of a card the thread that it stands in, of a list how many stand before those that
 * it shows. It says what is meant, and nobody's right to it: that follows from who pressed, and where.
 */
export type ButtonValue = z.infer<typeof buttonValue>;

/** Null when the button is not one of ours. */
export function parseButtonValue(value: string): ButtonValue | null {
  try {
    return buttonValue.parse(JSON.parse(value));
  } catch {
    return null;
  }
}

/** A call whole, in pages of as much as one modal takes; one page at least. */
export function codePages(detail: string): KnownBlock[][] {
  const pieces = piecesOf(detail, PIECE).map(preformatted);
  const pages: KnownBlock[][] = [];
  for (let at = 0; at < Math.max(1, pieces.length); at += PIECES) pages.push(pieces.slice(at, at + PIECES));
  return pages;
}

function piecesOf(text: string, size: number): string[] {
  const pieces: string[] = [];
  for (let at = 0; at < text.length; at += pieces.at(-1)?.length ?? size)
    pieces.push(cut(text.slice(at, at + size + 1), size));
  return pieces;
}

export function preformatted(text: string): KnownBlock {
  return { type: 'rich_text', elements: [{ type: 'rich_text_preformatted', elements: [{ type: 'text', text }] }] };
}

/** Code as it is, whatever backticks or markup it holds; what does not fit is counted, never silently dropped. */
function code(detail: string, size: number, rest_is: string): KnownBlock[] {
  if (detail === '') return [];
  const shown = cut(detail, size);
  const rest = detail.length - shown.length;
  return [preformatted(shown), ...(rest === 0 ? [] : [note(`:scissors: ${rest} more characters: ${rest_is}`)])];
}

/** Small print; `text` is already mrkdwn. */
export function note(text: string): KnownBlock {
  return { type: 'context', elements: [{ type: 'mrkdwn', text }] };
}

/** Slack shows it in each reader's own time zone. */
export function when(iso: string): string {
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

export type Pending = Extract<ApprovalCard['state'], { status: 'pending' }>;

/** Who may decide, who is asked elsewhere, then what happens if nobody decides; each in a line of mrkdwn, where there is anything to say. */
export function asking(card: ApprovalCard, state: Pending): string[] {
  const who = [requesters(card), `Who may decide: ${approvers(card)}`];
  const then = [
    card.quorum === undefined ? null : approvedSoFar(card.quorum, state.approved_by ?? []),
    ...ifNobodyDecides(card, state),
    state.reminded > 0 ? `Reminded ${state.reminded} time${state.reminded === 1 ? '' : 's'}` : null,
  ];
  return [who, elsewhere(card), then]
    .map((parts) => parts.filter((part) => part !== null).join('  ·  '))
    .filter((text) => text !== '');
}

/** Who may decide and is not here: a mention would not reach them. */
function elsewhere({ elsewhere: found }: ApprovalCard): string[] {
  if (found === undefined) return [];
  const { asked, not_asked, left_out } = found;
  const more = left_out === 0 ? '' : ` (and ${left_out} more of them not: \`/approvals\` shows it to them)`;
  return [
    ...(asked.length === 0 ? [] : [`:incoming_envelope: Asked in direct messages: ${listed(asked)}${more}`]),
    ...not_asked.map(({ name, why }) => `:warning: Could not ask ${nameIn(name)}: ${escapeWithin(why, NAME)}`),
  ];
}

/** Of a crowd the first. */
function listed(names: readonly string[]): string {
  const more = names.length - MENTIONS;
  return `${names.slice(0, MENTIONS).map(nameIn).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

/** For whom it was and why the agent wanted it, in one line: what is left to say of that once it is decided. */
function origin(card: ApprovalCard): KnownBlock[] {
  const why = card.why?.replaceAll(/\s+/g, ' ').trim();
  const parts = [requesters(card), why ? whyLine(why, WHY) : null].filter((part) => part !== null);
  return parts.length === 0 ? [] : [note(parts.join('  ·  '))];
}

/** Who was asked besides, and what happens next and when. Names, not mentions: whose turn it is not hears nothing yet. */
function ifNobodyDecides({ escalations = [], expires_at }: ApprovalCard, { escalated = 0 }: Pending): string[] {
  const asked = escalations.slice(0, escalated).map(({ to }) => place(to));
  const next = escalations[escalated];
  const then = [
    ...(next === undefined ? [] : [`${place(next.to)} is asked ${when(next.at)}`]),
    expires_at === null ? 'it waits until somebody does' : `it is denied ${when(expires_at)}`,
  ];
  return [
    ...(asked.length === 0 ? [] : [`Also asked: ${asked.join(', ')}`]),
    `If nobody decides, ${then.join(', and ')}`,
  ];
}

/** Channels by mention, which notifies nobody. */
function place(name: string): string {
  return /^#[CG][A-Z0-9]+$/.test(name) ? `<${name}>` : `*${escapeWithin(name, NAME)}*`;
}

/** Mentions, which everybody sees as names and which notify the people they name; the sentence where there are none. */
function approvers(card: ApprovalCard): string {
  const { mentions = [] } = card;
  if (mentions.length === 0) return withChannels(escapeWithin(card.approvers, NOTE));
  return calledBy(mentions.map((mention) => ({ name: mention.id, mention })));
}

/** Mentions where there are such, else names; of a crowd the first. */
export function calledBy(called: readonly Called[]): string {
  const named = called
    .slice(0, MENTIONS)
    .map(({ name, mention }) => (mention === undefined ? nameIn(name) : mentionIn(mention)));
  const more = called.length - named.length;
  return `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}

function mentionIn({ kind, id }: Mention): string {
  const signs = { person: '@', group: '!subteam^', channel: '#' } as const;
  return `<${signs[kind]}${escape(id)}>`;
}

/** `Requested by Ana, Ben`. */
function requesters({ requested_by, also_asked = [] }: ApprovalCard): string | null {
  if (requested_by === null) return null;
  const names = [requested_by, ...also_asked].map(({ name }) => name).join(', ');
  return `Requested by *${escapeWithin(names, NAME)}*`;
}

/** `1 of 2 have approved: Ana`. */
function approvedSoFar(quorum: number, people: readonly Person[]): string {
  const names = people.length === 0 ? '' : `: ${namesOf(people)}`;
  return `${people.length} of ${quorum} have approved${names}`;
}

function namesOf(people: readonly Person[]): string {
  return people.map(({ name }) => nameIn(name)).join(', ');
}

function nameIn(name: string): string {
  return `*${escapeWithin(name, NAME)}*`;
}

/** Where a call does not stand whole beside its buttons, as a line of mrkdwn: nobody is to approve what they have not seen. */
export const TO_REVIEW = '*Review* shows all of it, and approves it';

/**
 * Approves where the whole call stands above, and opens the whole to be read where it does not.
 * @param at where the buttons stand
 * @param shown how much of the call stands above them, in characters
 */
export function buttons(card: ApprovalCard, at: Omit<ButtonValue, 'approval_id'>, shown = CARD_DETAIL): KnownBlock {
  const value = JSON.stringify({ approval_id: card.approval_id, ...at } satisfies ButtonValue);
  const button = (action_id: string, text: string): Button => {
    return { type: 'button', action_id, value, text: { type: 'plain_text', text } };
  };
  const isWhole = card.private_detail !== true && card.detail.length <= shown;
  const approving: Button[] = [
    { ...button(APPROVE_ACTION, 'Approve'), style: 'primary' },
    ...(card.for_session === undefined ? [] : [button(APPROVE_SESSION_ACTION, 'Approve for this session')]),
  ];
  return {
    type: 'actions',
    block_id: `approval:${card.approval_id}`,
    elements: [
      ...(isWhole ? approving : [{ ...button(REVIEW_ACTION, 'Review'), style: 'primary' as const }]),
      { ...button(DENY_ACTION, 'Deny'), style: 'danger' },
    ],
  };
}

/** What the agent said, small. */
export function whyBlocks(why: string | null | undefined): KnownBlock[] {
  return why ? [note(whyLine(why, 2 * WHY))] : [];
}

/** @param length at most so many characters of it, escaped */
export function whyLine(why: string, length: number): string {
  return `:speech_balloon: ${escapeWithin(why, length)}`;
}

/** Stands where a call is kept from the conversation. */
export const SECRET =
  ':lock: What exactly it will do is shown to those who may decide: *Review* shows it, and approves it.';

/** The card in its true state; only a pending one has buttons. */
export function approvalBlocks(card: ApprovalCard, thread: string): KnownBlock[] {
  const { state } = card;
  const head: KnownBlock[] = [
    { type: 'header', text: { type: 'plain_text', text: shorten(heading(card), HEADER) } },
    ...(card.about === undefined ? [] : [note(aboutLine(card.about))]),
    summaryBlock(card),
  ];
  if (state.status !== 'pending') {
    const called = code(card.detail, SHORT_DETAIL, "the session's log has them.");
    return [...head, ...called, ...origin(card), note(outcome(state))];
  }
  return [
    ...head,
    ...whyBlocks(card.why),
    ...code(card.detail, CARD_DETAIL, `${TO_REVIEW}.`),
    ...(card.private_detail === true ? [note(SECRET)] : []),
    ...asking(card, state).map(note),
    buttons(card, { thread }),
  ];
}

/** @param length at most so many characters, escaped */
export function summaryBlock(card: Pick<ApprovalCard, 'summary' | 'tool_name'>, length = SUMMARY): KnownBlock {
  return { type: 'section', text: { type: 'mrkdwn', text: summaryOf(card, length) } };
}

export function summaryOf(card: Pick<ApprovalCard, 'summary' | 'tool_name'>, length: number): string {
  return escapeWithin(card.summary || card.tool_name, length);
}

function aboutLine({ link, channel, named }: NonNullable<ApprovalCard['about']>): string {
  // Nobody else's direct messages open.
  const there = channel !== undefined && isDirect(channel) ? null : linked(link, 'Open the thread');
  const way = there === null ? '' : `  ·  ${there}`;
  const why = named === true ? ', and you may decide it.' : ', where nobody decided in time.';
  return `:arrow_upper_right: Asked in ${channelPlace(channel)}${why}${way}`;
}

/** Channels by mention: whoever may not see one is shown no name. */
function channelPlace(channel: string | undefined): string {
  if (channel === undefined) return 'another conversation';
  return isDirect(channel) ? 'a direct message' : `<#${escape(channel)}>`;
}

/** The same in one line, for notifications and screen readers; markup is not yet escaped. */
export function approvalText(card: ApprovalCard): string {
  const { state } = card;
  const by = state.status === 'allowed' || state.status === 'denied' ? ` by ${state.by.name}` : '';
  return `${heading(card)}${by}. ${card.summary}`;
}
