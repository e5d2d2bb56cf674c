import type { BetaContentBlock, BetaMessage, BetaUsage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { z } from 'zod';
import { findUnstorable, storedBytes } from '../session/storable.ts';

/** Largest answer that is kept, as BSON: many times what 32,000 tokens are. It stands in the log twice, in one append. */
const MAX_BYTES = 2 * 1024 * 1024;
/** Most calls of one answer: each of them is up to three events of that append, and one may ask with 3,000 characters. */
const MAX_CALLS = 256;

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
  const strange = strangeName(kept);
  if (strange !== null) return `a block has a field ${JSON.stringify(strange)}, which the API has not`;
  if (ids.size > MAX_CALLS) return `it calls ${ids.size} tools; at most ${MAX_CALLS} are taken at once`;
  const bytes = storedBytes({ content: answer.content.map(withStorableInput) });
  return bytes > MAX_BYTES ? `it has ${bytes} bytes; at most ${MAX_BYTES} are kept` : null;
}

/** Below these names are others' own: a call's arguments, and what a tool of somebody else's takes. */
const FREE_BELOW: ReadonlySet<string> = new Set(['input', 'input_schema', 'input_examples']);

/**
 * A name that MongoDB could read as an operator or a path, where names are the API's own: it has none of that kind. An answer
 * goes back to it as it came, so nothing is left out or written another way.
 */
function strangeName(value: unknown): string | null {
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, child] of Object.entries(value)) {
    if (/^\$|\./.test(key)) return key;
    const below = FREE_BELOW.has(key) ? null : strangeName(child);
    if (below !== null) return below;
  }
  return null;
}

/**
 * Arguments that the log cannot hold (a NUL in a name, a hundred levels) would fail every worker that records this
 * answer, each after paying for it again; arguments that are no object would not be taken back by the API, and end every
 * later request. The call goes on without them, and its tool answers what is missing.
 */
export function withStorableInput(block: BetaContentBlock): BetaContentBlock {
  if (block.type !== 'tool_use') return block;
  const { input } = block;
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input);
  return isObject && findUnstorable(input) === null ? block : { ...block, input: {} };
}

/** What an answer cost, if it says so as the API does. */
export function usageOf(answer: { usage?: unknown } | null): BetaUsage | null {
  return usage.safeParse(answer?.usage).success ? (answer?.usage as BetaUsage) : null;
}

function isKnown(type: string): type is keyof typeof blocks {
  return Object.hasOwn(blocks, type);
}

function describe(error: z.ZodError, at: Array<string | number>): string {
  const [issue] = error.issues;
  return `${[...at, ...(issue?.path ?? [])].map(String).join('.')}: ${issue?.message ?? 'is not valid'}`;
}
