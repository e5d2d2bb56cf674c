import { z } from 'zod';
import { escape, shortenMarkup } from './mrkdwn.ts';

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
  return text?.trim() ? text : textsIn(blocks).join('\n');
}

/**
 * What its author wrote, and behind that what they forwarded with it, marked and quoted. What Slack shows of other links is
 * left out: those are a page's words, and nobody chose them.
 */
export function withForwarded(spoken: string, { attachments }: SaidParts): string {
  return [spoken, ...quotations(listOf(attachments))].filter((part) => part !== '').join('\n\n');
}

/** All that a message shows, also what an app says in attachments alone. */
export function textOf(message: SaidParts): string {
  const attached = listOf(message.attachments).filter((one) => !forwardedMessage.safeParse(one).success);
  const shown = [spokenIn(message), ...attached.map(attachmentText)].filter((part) => part !== '').join('\n');
  return withForwarded(shown, message);
}

function attachmentText(attachment: unknown): string {
  const { fallback, pretext, title, text } = textFields.parse(attachment);
  const parts = [pretext, title, text].filter(Boolean);
  return parts.length > 0 ? parts.join('\n') : (fallback ?? '');
}

const words = z.string().optional().catch(undefined);
const textFields = z.object({ fallback: words, pretext: words, title: words, text: words }).catch({});

function quotations(attachments: readonly unknown[]): string[] {
  const forwarded = attachments.flatMap((one) => forwardedMessage.safeParse(one).data ?? []);
  const more = forwarded.length - FORWARDED;
  const left = more > 0 ? [`(${more} more forwarded message${more === 1 ? ' is' : 's are'} left out.)`] : [];
  return [...forwarded.slice(0, FORWARDED).map(quotation), ...left];
}

function quotation(message: z.infer<typeof forwardedMessage>): string {
  const { author_name, author_subname, channel_id = '', channel_name, text, fallback, message_blocks, files } = message;
  const said = text?.trim() ? text : textsIn(message_blocks).join('\n') || (fallback ?? '');
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

/** Every text in blocks, in their order. */
function textsIn(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(textsIn);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) =>
    key === 'text' && typeof inner === 'string' ? [inner] : textsIn(inner),
  );
}
