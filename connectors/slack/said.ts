import { z } from 'zod';
import type { SaidBefore } from '../../src/chat/connector.ts';
import { blockWords } from './block-words.ts';
import { escape, shortenMarkup } from './mrkdwn.ts';
import { withoutRepeats } from './repeats.ts';

/** What a message says besides its text, as events and the Web API show it. */
export interface SaidParts {
  text?: string | null | undefined;
  blocks?: unknown;
  attachments?: unknown;
}

/**
 * Of a message that was forwarded, or whose address was pasted, as an attachment shows it. The reference names none of these
 * fields; they are those of the response types of `@slack/web-api`, and `is_share` is a guess.
 */
const forwardedMessage = z
  .object({
    is_share: z.boolean().optional(),
    is_msg_unfurl: z.boolean().optional(),
    author_name: z.string().optional(),
    author_subname: z.string().optional(),
    channel_id: z.string().optional(),
    channel_name: z.string().optional(),
    text: z.string().optional(),
    fallback: z.string().optional(),
    message_blocks: z.unknown().optional(),
    files: z.array(z.object({ name: z.string().nullish(), title: z.string().nullish() }).catch({})).catch([]),
  })
  .refine(({ is_share, is_msg_unfurl }) => is_share === true || is_msg_unfurl === true);

/** Of one forwarded message, in Slack's markup, and how many of them: as much as is told of an earlier message, twice. */
const FORWARDED_TEXT = 4_000;
const FORWARDED = 2;
const NAME = 80;
/** Whatever a line may end with. */
const LINE_END = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/;

/** A message's text in Slack's markup with the names of what is attached to it, one a line. */
export function withFiles(
  text: string,
  files: ReadonlyArray<{ name?: string | null | undefined; title?: string | null | undefined }> = [],
): string {
  const attached = files.map((file) => escape(`[file: ${file.name ?? file.title ?? 'unnamed'}]`));
  return [text, ...attached].filter((part) => part !== '').join('\n');
}

/** What its author wrote, in Slack's markup; some messages say everything in blocks. */
export function spokenIn({ text, blocks }: SaidParts): string {
  return text?.trim() ? text : blockWords(blocks).join('\n');
}

/** Who says a message: an app also where it says it for a person, because it chose the words. */
export function speakerOf(
  message: { user?: string | undefined; bot_id?: string | undefined; subtype?: string | undefined },
  own: { bot_user_id: string; bot_id: string | undefined },
): SaidBefore['from'] {
  const { user, bot_id, subtype } = message;
  if (user === own.bot_user_id || (own.bot_id !== undefined && bot_id === own.bot_id)) return 'self';
  return bot_id === undefined && subtype !== 'bot_message' ? 'person' : 'bot';
}

/**
 * What its author wrote, and behind that what they forwarded with it, marked and quoted. What Slack shows of other links is
 * left out: those are a page's words, and nobody chose them.
 */
export function withForwarded(spoken: string, { attachments }: SaidParts): string {
  return [spoken, ...quotations(listOf(attachments))].filter((part) => part !== '').join('\n\n');
}

/**
 * All that a message shows. A person's text says all that they wrote; an app's may be no more than what a notification shows,
 * and what people see stands in blocks and attachments.
 */
export function textOf(message: SaidParts, by: SaidBefore['from']): string {
  const attached = listOf(message.attachments)
    .filter((one) => !forwardedMessage.safeParse(one).success)
    .map((one) => attachmentText(one))
    .filter((part) => part !== '');
  const said =
    by === 'bot'
      ? withoutRepeats(message.text ?? '', blockWords(message.blocks), attached)
      : [by === 'self' ? ownWords(message) : spokenIn(message), ...attached];
  return withForwarded(said.filter((part) => part.trim() !== '').join('\n'), message);
}

/** Of a long post of this app the text is its beginning (`fallbackText`), and the small print is not what it said. */
function ownWords(message: SaidParts): string {
  if (!message.text?.trim().endsWith('…')) return spokenIn(message);
  const blocks = listOf(message.blocks).filter((block) => !smallPrint.safeParse(block).success);
  return blockWords(blocks).join('\n') || message.text;
}

const smallPrint = z.object({ type: z.literal('context') });

function attachmentText(attachment: unknown): string {
  const { fallback, pretext, author_name, title, text, fields, blocks, footer } = attachmentParts.parse(attachment);
  const named = fields.map((field) => [field.title, field.value].filter(Boolean).join(': '));
  const parts = [pretext, author_name, title, text, ...named, ...blockWords(blocks), footer].filter(Boolean);
  return parts.length > 0 ? parts.join('\n') : (fallback ?? '');
}

const words = z.string().optional().catch(undefined);
const attachmentParts = z
  .object({
    fallback: words,
    pretext: words,
    author_name: words,
    title: words,
    text: words,
    fields: z.array(z.object({ title: words, value: words }).catch({})).catch([]),
    blocks: z.unknown().optional(),
    footer: words,
  })
  .catch({ fields: [], blocks: [] });

function quotations(attachments: readonly unknown[]): string[] {
  const forwarded = attachments.flatMap((one) => forwardedMessage.safeParse(one).data ?? []);
  const more = forwarded.length - FORWARDED;
  const left = more > 0 ? [`(${more} more forwarded message${more === 1 ? ' is' : 's are'} left out.)`] : [];
  return [...forwarded.slice(0, FORWARDED).map(quotation), ...left];
}

function quotation(message: z.infer<typeof forwardedMessage>): string {
  const { author_name, author_subname, channel_id = '', channel_name, text, fallback, message_blocks, files } = message;
  const said = text?.trim() ? text : blockWords(message_blocks).join('\n') || (fallback ?? '');
  const by = nameIn(author_subname || author_name || '') || 'somebody';
  const label = nameIn(channel_name ?? '');
  const where = /^[CG]/.test(channel_id) ? ` in <#${channel_id}${label === '' ? '' : `|${label}`}>` : '';
  const head = `Forwarded with this, written by ${by}${where} (lines that begin with &gt; are quoted):`;
  // A label may go over lines, and would end the quotation.
  const whole = withFiles(shortenMarkup(said, FORWARDED_TEXT), files).replaceAll(/<[^>]*>/g, (reference) =>
    reference.split(LINE_END).join(' '),
  );
  return [head, ...whole.split(LINE_END).map((line) => `&gt; ${line}`)].join('\n');
}

/** A name that can be nothing but a name. */
function nameIn(name: string): string {
  const plain = name.replaceAll(/[\s\p{Cc}\p{Cf}<>|":,;!?()&]+/gu, ' ').trim();
  return plain.slice(0, NAME).replace(/[\uD800-\uDBFF]$/, '');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
