import type { KnownBlock } from '@slack/types';
import type { WaitingApproval, WaitingApprovals } from '../../src/chat/inbound.ts';
import { isShownWhole } from '../../src/chat/outgoing.ts';
import { buttons, note, preformatted, SECRET, TO_REVIEW } from './approval-blocks.ts';
import { asking, type Pending, summaryOf, when, whyLine } from './approval-words.ts';
import { SLACK } from './conversation-id.ts';
import { cut, escapeWithin, linked } from './mrkdwn.ts';

/** What a list may take in all. */
export interface Room {
  blocks: number;
  characters: number;
}

/** A message takes 50 blocks and about 13,200 characters. */
const IN_MESSAGE: Room = { blocks: 49, characters: 13_000 };
/** A view takes 100 blocks and 250 KB (docs.slack.dev/reference/views), and other things stand in it too. */
export const IN_HOME: Room = { blocks: 61, characters: 50_000 };

/** How much is shown of one, in characters: as its card in the thread has it, or as much of that as there is room for. */
const SIZES = [
  { summary: 2_000, why: 600, detail: 1_000, whole: true },
  { summary: 400, why: 300, detail: 300, whole: true },
  { summary: 200, why: 0, detail: 0, whole: false },
];
type Size = (typeof SIZES)[number];

/** What the labels of its buttons take, and the question behind the one that approves for the session. */
const LABELS = 50;
const CONFIRM = 350;
/** Lines that stand in one block; a text takes 3,000 characters. */
const SMALL_PRINT = 2_900;
/** Of those that are looked up at once. */
export const PAGE = 10;
const NOTHING = 'Nothing waits for you.';

/** What waits for one person, with what its card shows and its buttons. What there is no room for is counted. */
export function waitingBlocks({ approvals, more, before = 0 }: WaitingApprovals, room: Room): KnownBlock[] {
  const waiting = approvals.flatMap((one): Waiting[] => {
    const { state } = one.card;
    return state.status === 'pending' ? [{ ...one, state }] : [];
  });
  const rows = rowsWithin(waiting, before, room);
  const crowded = waiting.length - rows.length;
  if (more + crowded === 0) return rows.flat();
  const next = `\`/approvals mine ${Math.floor(before / PAGE) + 2}\` shows the next`;
  const way =
    more === 0
      ? 'they are shown when these are decided'
      : [next, ...(crowded === 0 ? [] : [`and ${crowded} are shown when these are decided`])].join(', ');
  return [...rows.flat(), note(`${more + crowded} more wait: ${way}.`)];
}

/** Each in its share of the room. Where that is too little for one of them, the last make room for the others. */
function rowsWithin(waiting: readonly Waiting[], before: number, room: Room): KnownBlock[][] {
  for (let count = waiting.length; count > 0; count--) {
    const share = { blocks: (room.blocks - 1) / count, characters: room.characters / count };
    const fits = (one: Shown) => one.blocks.length <= share.blocks && one.characters <= share.characters;
    const rows = waiting.slice(0, count).flatMap((one) => {
      const shown = SIZES.map((size) => shownOf(one, before, size)).find(fits);
      return shown === undefined ? [] : [shown.blocks];
    });
    if (rows.length === count) return rows;
  }
  return [];
}

/** The same in a message, below a text that is mrkdwn. */
export function waitingMessage(text: string, waiting: WaitingApprovals): KnownBlock[] {
  const room = { ...IN_MESSAGE, characters: IN_MESSAGE.characters - text.length };
  return [{ type: 'section', text: { type: 'mrkdwn', text } }, ...waitingBlocks(waiting, room)];
}

/** The same in one line. */
export function waitingText({ approvals, more, before = 0 }: WaitingApprovals): string {
  const count = approvals.length + more;
  if (count === 0) return before === 0 ? NOTHING : 'Nothing waits there.';
  const all = before + count;
  const from = before === 0 ? '' : ` From number ${before + 1} on:`;
  return `${all} ${all === 1 ? 'approval waits' : 'approvals wait'} for you.${from}`;
}

type Waiting = WaitingApproval & { state: Pending };

interface Shown {
  blocks: KnownBlock[];
  characters: number;
}

function shownOf(one: Waiting, before: number, size: Size): Shown {
  const { card, state } = one;
  const summary = summaryOf(card, size.summary);
  const detail = cut(card.detail, size.detail);
  const rest = card.detail.length - detail.length;
  const [who = '', ...then] = asking(card, state);
  const asksFirst = card.for_session !== undefined && isShownWhole(card, size.detail);
  const lines = [
    askedLine(one, size.whole),
    ...(card.why && size.why > 0 ? [whyLine(card.why, size.why)] : []),
    ...(rest > 0 && size.whole ? [`:scissors: ${rest} more characters: ${TO_REVIEW}.`] : []),
    ...(card.private_detail === true && size.whole ? [SECRET] : []),
    who,
    ...(size.whole ? then : []),
  ];
  return {
    blocks: [
      { type: 'section', text: { type: 'mrkdwn', text: summary } },
      ...(detail === '' ? [] : [preformatted(detail)]),
      ...packed(lines).map(note),
      buttons(card, { before }, size.detail),
    ],
    characters: summary.length + detail.length + lines.join('\n').length + LABELS + (asksFirst ? CONFIRM : 0),
  };
}

/** By whom, with what, when and where; with the way there when there is room for it. */
function askedLine({ card, agent_name, asked_at, conversation, link }: WaitingApproval, whole: boolean): string {
  const asked = `*${escapeWithin(agent_name, 100)}* asked ${when(asked_at)}`;
  const place =
    conversation?.connector !== SLACK
      ? ''
      : conversation.channel.startsWith('D')
        ? ' in a direct message'
        : ` in <#${conversation.channel}>`;
  if (!whole) return `${asked}${place}`;
  const there = linked(link, 'Open the thread');
  return `${asked}${place}, to use *${escapeWithin(card.tool_name, 100)}*${there === null ? '' : `  ·  ${there}`}`;
}

/** As few texts as hold these lines. */
function packed(lines: readonly string[]): string[] {
  const texts: string[] = [];
  for (const line of lines) {
    const last = texts.at(-1);
    if (last !== undefined && last.length + line.length < SMALL_PRINT) texts[texts.length - 1] = `${last}\n${line}`;
    else texts.push(line);
  }
  return texts;
}
