import type { BetaMessage, BetaUsage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { z } from 'zod';
import { findUnstorable } from '../session/storable.ts';

/** Longest answer that is kept, as JSON in bytes: many times what 32,000 tokens are, and it stands in the log twice. */
const MAX_BYTES = 2 * 1024 * 1024;

/** As the Messages API takes them back. A call that it would not take back would end every later request. */
const name = z.string().regex(/^[a-zA-Z0-9_-]{1,128}$/);

const blocks = {
  text: z.looseObject({ text: z.string() }),
  thinking: z.looseObject({ thinking: z.string(), signature: z.string() }),
  tool_use: z.looseObject({ id: name, name }),
};

const tokens = z.number().min(0);
const usage = z.looseObject({
  input_tokens: tokens,
  output_tokens: tokens,
  cache_creation_input_tokens: tokens.nullish(),
  cache_read_input_tokens: tokens.nullish(),
  cache_creation: z.looseObject({ ephemeral_1h_input_tokens: tokens }).nullish(),
});

const message = z.looseObject({
  content: z.array(z.looseObject({ type: z.string() })),
  stop_reason: z.string().nullable(),
  stop_details: z.looseObject({}).nullish(),
  usage,
});

/**
 * What is wrong with an answer, in a few words; null when it can be kept and repeated. The SDK hands on whatever the
 * stream said, and whatever stands between us and the API can say anything.
 */
export function problemOf(answer: BetaMessage): string | null {
  const parsed = message.safeParse(answer);
  if (!parsed.success) return describe(parsed.error, []);
  const ids = new Set<string>();
  for (const [index, block] of parsed.data.content.entries()) {
    const known = isKnown(block.type) ? blocks[block.type].safeParse(block) : null;
    if (known?.success === false) return describe(known.error, ['content', index]);
    if (block.type !== 'tool_use') continue;
    const id = String(block['id']);
    if (ids.has(id)) return `two tool calls have the id ${id}`;
    ids.add(id);
  }
  // Arguments have their own rule: the call goes on without them, and its tool says what is missing.
  const kept = parsed.data.content.map((block) => (block.type === 'tool_use' ? { ...block, input: null } : block));
  const unstorable = findUnstorable(kept);
  if (unstorable !== null) return `content.${unstorable.path} ${unstorable.problem}`;
  const bytes = Buffer.byteLength(JSON.stringify(parsed.data.content));
  return bytes > MAX_BYTES ? `it has ${bytes} bytes; at most ${MAX_BYTES} are kept` : null;
}

/** What an answer cost, if it says so as the API does. */
export function usageOf(answer: { usage?: unknown } | undefined): BetaUsage | null {
  return usage.safeParse(answer?.usage).success ? (answer?.usage as BetaUsage) : null;
}

function isKnown(type: string): type is keyof typeof blocks {
  return Object.hasOwn(blocks, type);
}

function describe(error: z.ZodError, at: Array<string | number>): string {
  const [issue] = error.issues;
  return `${[...at, ...(issue?.path ?? [])].map(String).join('.')}: ${issue?.message ?? 'is not valid'}`;
}
