import type { Button, KnownBlock } from '@slack/types';
import { z } from 'zod';
import { type ApprovalCard, isShownWhole, type Outgoing } from '../../src/chat/outgoing.ts';
import {
  aboutLine,
  agentLine,
  asking,
  heading,
  outcome,
  requesters,
  sessionConfirm,
  summaryOf,
  whyLine,
} from './approval-words.ts';
import { cut, shorten } from './mrkdwn.ts';

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

/** Who wanted it for whom and why, in one line: what is left to say of that once it is decided. */
function origin(card: ApprovalCard, agent_name: string): KnownBlock {
  const why = card.why?.replaceAll(/\s+/g, ' ').trim();
  const parts = [agentLine(agent_name), requesters(card), why ? whyLine(why, WHY) : null];
  return note(parts.filter((part) => part !== null).join('  ·  '));
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
  const approving: Button[] = [
    { ...button(APPROVE_ACTION, 'Approve'), style: 'primary' },
    ...(card.for_session === undefined
      ? []
      : [{ ...button(APPROVE_SESSION_ACTION, 'Approve for this session'), confirm: sessionConfirm(card.for_session) }]),
  ];
  return {
    type: 'actions',
    block_id: `approval:${card.approval_id}`,
    elements: [
      ...(isShownWhole(card, shown) ? approving : [{ ...button(REVIEW_ACTION, 'Review'), style: 'primary' as const }]),
      { ...button(DENY_ACTION, 'Deny'), style: 'danger' },
    ],
  };
}

/** What the agent said, small. */
export function whyBlocks(why: string | null | undefined): KnownBlock[] {
  return why ? [note(whyLine(why, 2 * WHY))] : [];
}

/** Stands where a call is kept from the conversation. */
export const SECRET =
  ':lock: What exactly it will do is shown to those who may decide: *Review* shows it, and approves it.';

type ApprovalOut = Extract<Outgoing, { kind: 'approval' }>;

/** The card in its true state; only a pending one has buttons. */
export function approvalBlocks({ card, agent_name }: ApprovalOut, thread: string): KnownBlock[] {
  const { state } = card;
  const head: KnownBlock[] = [
    { type: 'header', text: { type: 'plain_text', text: shorten(heading(card), HEADER) } },
    ...(card.about === undefined ? [] : [note(aboutLine(card.about))]),
    summaryBlock(card),
  ];
  if (state.status !== 'pending') {
    const called = code(card.detail, SHORT_DETAIL, "the session's log has them.");
    return [...head, ...called, origin(card, agent_name), note(outcome(state))];
  }
  return [
    ...head,
    ...whyBlocks(card.why),
    ...code(card.detail, CARD_DETAIL, `${TO_REVIEW}.`),
    ...(card.private_detail === true ? [note(SECRET)] : []),
    ...asking(card, state, agent_name).map(note),
    buttons(card, { thread }),
  ];
}

/** @param length at most so many characters, escaped */
export function summaryBlock(card: Pick<ApprovalCard, 'summary' | 'tool_name'>, length = SUMMARY): KnownBlock {
  return { type: 'section', text: { type: 'mrkdwn', text: summaryOf(card, length) } };
}
