import type { Button, KnownBlock, ModalView } from '@slack/types';
import { z } from 'zod';
import type { ApprovalDetails } from '../../src/chat/inbound.ts';
import { codePages, note, summaryBlock, whyBlocks } from './approval-blocks.ts';
import { sessionConfirm } from './approval-words.ts';
import { escapeWithin, withChannels } from './mrkdwn.ts';
import { type ClickMemory, clickMemory, jsonOf } from './parse.ts';
import { slackId } from './slack-id.ts';

export const REVIEW_VIEW = 'deckhand_review';
export const REVIEW_TITLE = 'What it would do';
export const REVIEW = {
  previous: 'deckhand_review_previous',
  next: 'deckhand_review_next',
  approve: 'deckhand_review_approve',
  approve_session: 'deckhand_review_approve_session',
  deny: 'deckhand_review_deny',
} as const;

/** What leaves room for the call itself. */
const SUMMARY = 400;
/** A section takes 3,000 characters. */
const SAID = 2_900;

const reviewMemory = clickMemory.extend({ page: z.int().min(0) });

/** What the modal was opened from, and which page it shows, from 0: it all travels in the view, so that any gateway can go on. */
export type ReviewMemory = ClickMemory & { page: number };
type Shown = Exclude<ApprovalDetails, { refused: string }>;

/**
 * A call, page by page, every character of it. One goes from page to page, and only the last has the buttons that approve: who
 * presses them has had all of it before their eyes.
 */
export function reviewModal({ summary, why, detail, closed, for_session }: Shown, memory: ReviewMemory): ModalView {
  const pages = codePages(detail);
  const page = Math.min(memory.page, pages.length - 1);
  const isLast = page === pages.length - 1;
  const approving = [
    { ...button(REVIEW.approve, 'Approve'), style: 'primary' as const },
    ...(for_session === undefined
      ? []
      : [{ ...button(REVIEW.approve_session, 'Approve for this session'), confirm: sessionConfirm(for_session) }]),
  ];
  const buttons: Button[] = [
    ...(page > 0 ? [button(REVIEW.previous, 'Previous')] : []),
    ...(isLast ? [] : [{ ...button(REVIEW.next, 'Next'), style: 'primary' as const }]),
    ...(isLast && closed === null ? approving : []),
    ...(closed === null ? [{ ...button(REVIEW.deny, 'Deny'), style: 'danger' as const }] : []),
  ];
  return modal({ ...memory, page }, [
    summaryBlock({ summary, tool_name: '…' }, SUMMARY),
    ...(page === 0 ? whyBlocks(why) : []),
    ...(pages[page] ?? []),
    ...(pages.length === 1 ? [] : [note(placeOf(page, pages.length, detail.length, closed === null))]),
    ...(closed === null ? [] : [note(withChannels(escapeWithin(closed, SAID)))]),
    ...(buttons.length === 0 ? [] : [{ type: 'actions' as const, block_id: `review:${page}`, elements: buttons }]),
  ]);
}

function modal(memory: ReviewMemory, blocks: KnownBlock[]): ModalView {
  return {
    type: 'modal',
    callback_id: REVIEW_VIEW,
    private_metadata: JSON.stringify(memory),
    title: { type: 'plain_text', text: REVIEW_TITLE },
    close: { type: 'plain_text', text: 'Close' },
    blocks,
  };
}

function placeOf(page: number, count: number, characters: number, isOpen: boolean): string {
  const where = `Page ${page + 1} of ${count} (${characters.toLocaleString('en')} characters in all)`;
  return isOpen && page < count - 1 ? `${where}. The last page has *Approve*.` : where;
}

function button(action_id: string, text: string): Button {
  return { type: 'button', action_id, text: { type: 'plain_text', text } };
}

const pressedBody = z.object({
  user: z.object({ id: slackId }),
  trigger_id: slackId,
  view: z.object({ id: slackId, hash: z.string().optional(), private_metadata: z.string() }),
  actions: z.array(z.object({ action_ts: slackId })).min(1),
});

/** A button of the modal, pressed. */
export interface ReviewPress {
  event_id: string;
  user: string;
  trigger_id: string;
  memory: ReviewMemory;
  view_id: string;
  /** Of the view that the button stood in: another one has another. */
  hash: string | undefined;
}

export function parseReview(body: unknown): ReviewPress | null {
  const parsed = pressedBody.safeParse(body);
  const action = parsed.data?.actions[0];
  if (!parsed.success || action === undefined) return null;
  const { user, trigger_id, view } = parsed.data;
  const memory = reviewMemory.safeParse(jsonOf(view.private_metadata));
  if (!memory.success) return null;
  return {
    event_id: `review:${view.id}:${user.id}:${action.action_ts}`,
    user: user.id,
    trigger_id,
    memory: memory.data,
    view_id: view.id,
    hash: view.hash,
  };
}
