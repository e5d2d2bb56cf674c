import type { KnownBlock, MessageMetadata } from '@slack/types';
import { z } from 'zod';
import { PostRefusedError } from '../../src/chat/connector.ts';
import type { Called, Outgoing } from '../../src/chat/outgoing.ts';
import { approvalBlocks, note } from './approval-blocks.ts';
import { agentLine, approvalText, calledBy } from './approval-words.ts';
import { answerBlocks, writtenByAi } from './feedback.ts';
import { escapeWithin, quiet, withChannels } from './mrkdwn.ts';
import { planBlock, planText } from './plan-blocks.ts';
import { aroundTable } from './table-block.ts';

/**
 * Characters of markdown in one message. Markdown blocks take 12,000 and all blocks of a message about 13,200
 * (docs.slack.dev/reference/block-kit/blocks/markdown-block, slackapi/bolt-js issue 2509); the rest is room for what
 * this connector puts around the text.
 */
export const TEXT_LIMIT = 11_000;
/**
 * chat.update refuses `text` over 4,000 bytes, counted after escaping. It is only the fallback here (notifications,
 * screen readers): four bytes a character at most, so this many characters always fit.
 */
const FALLBACK = 1_000;

const EVENT_TYPE = 'deckhand_delivery';
const deliveryMetadata = z.object({
  event_type: z.literal(EVENT_TYPE),
  event_payload: z.object({ delivery_id: z.string() }),
});

/** The arguments of chat.postMessage and chat.update beside the place. */
export interface Rendered {
  text: string;
  blocks: KnownBlock[];
  metadata: MessageMetadata;
}

export function metadataOf(deliveryId: string): MessageMetadata {
  return { event_type: EVENT_TYPE, event_payload: { delivery_id: deliveryId } };
}

export function deliveryIdOf(metadata: unknown): string | null {
  const parsed = deliveryMetadata.safeParse(metadata);
  return parsed.success ? parsed.data.event_payload.delivery_id : null;
}

/** A streamed message can carry metadata only when it stops; until then the id of its first block says whose it is. */
export function streamBlockId(deliveryId: string): string {
  return `delivery:${deliveryId}`;
}

export function streamHeader(deliveryId: string, agentName: string): KnownBlock {
  const elements = [{ type: 'mrkdwn' as const, text: byLine(agentName) }];
  return { type: 'context', block_id: streamBlockId(deliveryId), elements };
}

/** Who says it, as mrkdwn: all agents post under the app's one name. */
function byLine(agentName: string): string {
  return `${escapeWithin(agentName, 100)} · AI`;
}

/** What leaves, and of a text also what it is with Slack's own mentions in it: quiet but for these. */
export type Said = Outgoing & { linked?: string };

/** Text for a markdown block, quiet. @throws PostRefusedError `msg_too_long` */
export function markdownOf(text: string): string {
  return whole(quiet(text));
}

/** A text for a markdown block, with its mentions where it has them. @throws PostRefusedError `msg_too_long` */
export function saidText({ linked, markdown }: Extract<Said, { kind: 'text' }>): string {
  return linked === undefined ? markdownOf(markdown) : whole(linked);
}

function whole(text: string): string {
  if (text.length > TEXT_LIMIT) throw new PostRefusedError('msg_too_long');
  // An empty markdown block is refused; a stream may begin before its first word.
  return text.trim() === '' ? '…' : text;
}

/** Lists, code, links and all else are the markdown block's; a table has a block of its own. */
function textBlocks(text: string): KnownBlock[] {
  const around = aroundTable(text);
  if (around === null) return [{ type: 'markdown', text }];
  const [before, after] = [around.before, around.after].map(paragraphs);
  return [...(before ?? []), around.table, ...(after ?? [])];
}

function paragraphs(text: string): KnownBlock[] {
  return text.trim() === '' ? [] : [{ type: 'markdown', text }];
}

/** What links are called, without where they lead. */
function withoutLinks(markdown: string): string {
  return markdown.replace(/\[([^\]]*)\]\([^)\s]*\)/g, '$1');
}

export function fallbackText(text: string): string {
  return escapeWithin(text.trim() || '…', FALLBACK);
}

/** The same without what an older Slack may not know; null when there is nothing of that kind in it. */
export function renderPlainly(outgoing: Said): Rendered | null {
  if (outgoing.kind !== 'text') return null;
  const text = saidText(outgoing);
  if (outgoing.answer === undefined && aroundTable(text) === null) return null;
  return {
    text: fallbackText(outgoing.markdown),
    blocks: [{ type: 'markdown', text }, ...writtenByAi(outgoing)],
    metadata: metadataOf(outgoing.delivery_id),
  };
}

function forWhom(called: readonly Called[] = []): string[] {
  return called.length === 0 ? [] : [`For ${calledBy(called)}`];
}

/**
 * One outgoing thing as a message. Notifications and screen readers get a text without Slack's own mentions.
 * @param thread of the conversation, so that a button finds its way back
 * @throws PostRefusedError when it can never be shown: longer than TEXT_LIMIT, or an activity
 */
export function render(outgoing: Said, thread: string): Rendered {
  const metadata = metadataOf(outgoing.delivery_id);
  switch (outgoing.kind) {
    case 'text':
      return {
        text: fallbackText(outgoing.markdown),
        blocks: [...textBlocks(saidText(outgoing)), ...answerBlocks(outgoing, thread)],
        metadata,
      };
    case 'notice': {
      const sign = outgoing.level === 'error' ? '⚠️ ' : 'ℹ️ ';
      return {
        text: withChannels(fallbackText(`${sign}${withoutLinks(outgoing.markdown)}`)),
        blocks: [
          { type: 'markdown', text: `${sign}${withChannels(markdownOf(outgoing.markdown))}` },
          note([agentLine(outgoing.agent_name), ...forWhom(outgoing.called)].join('  ·  ')),
        ],
        metadata,
      };
    }
    case 'approval':
      return {
        text: fallbackText(approvalText(outgoing.card)),
        blocks: approvalBlocks(outgoing, thread),
        metadata,
      };
    case 'plan':
      return {
        text: fallbackText(planText(outgoing)),
        blocks: [note(byLine(outgoing.agent_name)), planBlock(outgoing)],
        metadata,
      };
    case 'file':
      throw new PostRefusedError('file_not_shown_as_a_message');
    case 'activity':
      // `shows_activity` is false: calls one by one would drown a thread, so they go together in a plan.
      throw new PostRefusedError('activity_not_shown');
    default:
      return outgoing satisfies never;
  }
}
