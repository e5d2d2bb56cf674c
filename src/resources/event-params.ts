import type {
  BetaManagedAgentsEventParams,
  BetaManagedAgentsUserMessageEventParams,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { z } from 'zod';
import type { InputEvent } from '../session/event.ts';
import { newId } from '../session/id.ts';
import { isGiven } from './parse.ts';

/** Events that clients may send, checked as far as the Messages API would check them later: there it would end a run. */

const MAX_BLOCKS = 100;
const MAX_URL = 4096;

const base64 = z.base64('must be base64').min(1);
const url = z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(MAX_URL);

const text = z.strictObject({
  type: z.literal('text'),
  text: z.string().refine((value) => value.trim() !== '', 'must not be blank'),
});

const imageBytes = z.strictObject({
  type: z.literal('base64'),
  media_type: z.enum(['image/png', 'image/jpeg', 'image/gif', 'image/webp']),
  data: base64,
});
const imageUrl = z.strictObject({ type: z.literal('url'), url });
/** Of the workspace; one that is not there, or that Claude cannot be shown, is replaced by words. */
const imageFile = z.strictObject({ type: z.literal('file'), file_id: z.string().min(1).max(128) });

const image = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [imageBytes, imageUrl]),
});

const saidImage = z.strictObject({
  type: z.literal('image'),
  source: z.discriminatedUnion('type', [imageBytes, imageUrl, imageFile]),
});

const document = z.strictObject({
  type: z.literal('document'),
  source: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('base64'), media_type: z.literal('application/pdf'), data: base64 }),
    z.strictObject({ type: z.literal('text'), media_type: z.literal('text/plain'), data: z.string().min(1) }),
    z.strictObject({ type: z.literal('url'), url }),
  ]),
  context: z.string().max(10_000).nullable().exactOptional(),
  title: z.string().max(500).nullable().exactOptional(),
});

const searchResult = z.strictObject({
  type: z.literal('search_result'),
  source: z.string().min(1).max(MAX_URL),
  title: z.string().max(500),
  citations: z.strictObject({ enabled: z.boolean() }),
  content: z.array(text).min(1).max(MAX_BLOCKS),
});

const result = {
  content: z
    .array(z.discriminatedUnion('type', [text, image, document, searchResult]))
    .max(MAX_BLOCKS)
    .exactOptional(),
  is_error: z.boolean().nullable().exactOptional(),
};

const eventId = z.string().min(1).max(128);

export const userMessageSchema = z.strictObject({
  type: z.literal('user.message'),
  content: z
    .array(z.discriminatedUnion('type', [text, saidImage, document]))
    .min(1)
    .max(MAX_BLOCKS),
}) satisfies z.ZodType<BetaManagedAgentsUserMessageEventParams>;

const defineOutcome = z.strictObject({
  type: z.literal('user.define_outcome', 'outcomes are not supported yet'),
  description: z.string(),
  rubric: z.discriminatedUnion('type', [
    z.strictObject({ type: z.literal('text'), content: z.string() }),
    z.strictObject({ type: z.literal('file'), file_id: z.string() }),
  ]),
  max_iterations: z.int().min(1).max(20).nullable().exactOptional(),
});

/** Refused in words: nobody would grade it. */
export const outcomeSchema = defineOutcome.refine(() => false, {
  error: 'outcomes are not supported yet',
  path: ['type'],
  when: () => true,
});

export const eventSchema = z.discriminatedUnion('type', [
  userMessageSchema,
  z.strictObject({
    type: z.literal('user.interrupt'),
    session_thread_id: z.null('a session has one thread; leave session_thread_id out').exactOptional(),
  }),
  z
    .strictObject({
      type: z.literal('user.tool_confirmation'),
      tool_use_id: eventId,
      result: z.enum(['allow', 'deny']),
      deny_message: z.string().max(10_000).nullable().exactOptional(),
    })
    .refine((event) => event.result === 'deny' || !isGiven(event.deny_message), {
      error: 'is only allowed with result deny',
      path: ['deny_message'],
    }),
  z.strictObject({ type: z.literal('user.custom_tool_result'), custom_tool_use_id: eventId, ...result }),
  z.strictObject({ type: z.literal('user.tool_result'), tool_use_id: eventId, ...result }),
  z.strictObject({ type: z.literal('system.message'), content: z.array(text).min(1).max(MAX_BLOCKS) }),
  outcomeSchema,
]) satisfies z.ZodType<BetaManagedAgentsEventParams>;

export type EventParams = z.output<typeof eventSchema>;
export type QueuedParams = Exclude<EventParams, { type: 'user.define_outcome' }>;

/** The event as it stands in the log: with an id, waiting to be taken up. */
export function toInput(params: QueuedParams): InputEvent {
  return { ...params, id: newId('sevt'), processed_at: null };
}
