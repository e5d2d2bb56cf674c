import type { SessionState, TranscriptItem } from './session-state.ts';

/**
 * What a conversation weighs at most, as JSON in bytes, so that it fits one request to Claude (the Messages API takes
 * 32 MB, with tools and system prompt) and a worker's memory. When it is more, the oldest of what people and tools
 * brought is left out, down to the lower of the two: not at every message a little, which would cost the prompt's cache
 * each time.
 */
const MOST_BYTES = 30_000_000;
const KEPT_BYTES = 20_000_000;
/** What is lighter is not worth leaving out. */
const HEAVY_BYTES = 2_000;

const weighed = new WeakMap<TranscriptItem, number>();

/** As JSON, in bytes; found out once, because a state shares its items with the one before it. */
function weightOf(item: TranscriptItem): number {
  const known = weighed.get(item);
  if (known !== undefined) return known;
  const bytes = Buffer.byteLength(JSON.stringify(item));
  weighed.set(item, bytes);
  return bytes;
}

export function weightOfAll(items: readonly TranscriptItem[]): number {
  return items.reduce((sum, item) => sum + weightOf(item), 0);
}

/** Something was added: leave out what is too much. The log keeps it. */
export function lighten(state: SessionState, added: TranscriptItem): void {
  state.bytes += weightOf(added);
  if (state.bytes <= MOST_BYTES) return;
  const lighter = (item: TranscriptItem): TranscriptItem => {
    const bytes = weightOf(item);
    // Claude's own words cannot be changed: signatures stand for them.
    if (state.bytes <= KEPT_BYTES || bytes <= HEAVY_BYTES || item.role === 'assistant') return item;
    // The newest is what it is about, unless it alone is too much: many large results of one answer's calls.
    if (item === added && bytes <= KEPT_BYTES) return item;
    const light = leftOut(item, bytes);
    state.bytes += weightOf(light) - bytes;
    return light;
  };
  state.transcript = state.transcript.map(lighter);
  state.queued = state.queued.map((message) => ({ ...message, item: lighter(message.item) }));
}

function leftOut(item: Exclude<TranscriptItem, { role: 'assistant' }>, bytes: number): TranscriptItem {
  const content = [
    { type: 'text' as const, text: `(${bytes} bytes stood here: too old and too large to be kept in sight)` },
  ];
  switch (item.role) {
    case 'user':
    case 'system':
      return { ...item, content };
    case 'tools':
      return { ...item, results: item.results.map((result) => ({ ...result, content })) };
    default:
      return item satisfies never;
  }
}
