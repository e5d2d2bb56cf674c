import type { BetaUsage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { BetaManagedAgentsBudgetLimit } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { SessionState } from '../session/session-state.ts';

/** US dollars per million tokens, which is also micro-dollars per token. */
interface Price {
  input: number;
  output: number;
  /** A cache read costs this share of `input`. */
  cache_read_share: number;
  /** Above this many prompt tokens the second price applies. */
  long_prompt?: { above: number; input: number; output: number };
}

// Anthropic's public list prices, platform.claude.com/docs/en/about-claude/pricing, read in November 2026.
// A cache write costs 1.25 times the input price (5 minutes) or twice (1 hour).
const PRICES: ReadonlyArray<readonly [prefix: string, price: Price]> = [
  ['claude-opus-5-5', { input: 4, output: 20, cache_read_share: 0.05 }],
  ['claude-sonnet-5-5', { input: 2, output: 10, cache_read_share: 0.05 }],
  [
    'claude-haiku-5-5',
    { input: 0.1, output: 0.5, cache_read_share: 0.1, long_prompt: { above: 100_000, input: 0.5, output: 2.5 } },
  ],
  ['claude-fable-5', { input: 10, output: 50, cache_read_share: 0.1 }],
  ['claude-mythos-5', { input: 10, output: 50, cache_read_share: 0.1 }],
  ['claude-opus-5', { input: 5, output: 25, cache_read_share: 0.1 }],
  ['claude-opus-4-', { input: 5, output: 25, cache_read_share: 0.1 }],
  ['claude-sonnet-5', { input: 2, output: 10, cache_read_share: 0.1 }],
  ['claude-sonnet-4-', { input: 3, output: 15, cache_read_share: 0.1 }],
  ['claude-haiku-4-5', { input: 1, output: 5, cache_read_share: 0.1 }],
];

const CACHE_WRITE_5M = 1.25;
const CACHE_WRITE_1H = 2;
const MICRO_USD_PER_CENT = 10_000;

export type TokenUsage = Pick<
  BetaUsage,
  'input_tokens' | 'output_tokens' | 'cache_creation_input_tokens' | 'cache_read_input_tokens'
> & { cache_creation?: BetaUsage['cache_creation'] };

/** Whether a budget can be kept for this model: without a list price its cost cannot be measured. */
export function hasListPrice(model: string): boolean {
  return priceOf(model) !== undefined;
}

/** What one request cost at list price, in millionths of a US dollar, rounded up; null for a model without one. */
export function listCost(model: string, usage: TokenUsage): number | null {
  const price = priceOf(model);
  if (price === undefined) return null;
  const written = usage.cache_creation_input_tokens ?? 0;
  const writtenFor1h = usage.cache_creation?.ephemeral_1h_input_tokens ?? 0;
  const read = usage.cache_read_input_tokens ?? 0;
  const prompt = usage.input_tokens + written + read;
  const long = price.long_prompt !== undefined && prompt > price.long_prompt.above ? price.long_prompt : price;
  const input =
    usage.input_tokens +
    read * price.cache_read_share +
    (written - writtenFor1h) * CACHE_WRITE_5M +
    writtenFor1h * CACHE_WRITE_1H;
  return Math.ceil(input * long.input + usage.output_tokens * long.output);
}

/**
 * Whether the session may ask the model once more. A session with requests that have no list price never may: its cost
 * is unknown, so its budget cannot be kept.
 */
export function isWithinBudget(
  state: SessionState,
  budget: BetaManagedAgentsBudgetLimit | null,
  model: string,
): boolean {
  if (budget === null) return true;
  if (state.unpriced || !hasListPrice(model)) return false;
  return state.cost_micro_usd < Number(budget.max_list_cost.amount) * MICRO_USD_PER_CENT;
}

/** Whole cents as the API gives money, rounded up so that a budget stops at or before the charge. */
export function cents(micro_usd: number): string {
  return String(Math.ceil(micro_usd / MICRO_USD_PER_CENT));
}

function priceOf(model: string): Price | undefined {
  return PRICES.find(([prefix]) => model.startsWith(prefix))?.[1];
}
