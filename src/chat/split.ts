/**
 * Cut a long Markdown text into parts of at most `limit` characters, at natural places: between paragraphs, else lines,
 * else sentences, else words, else graphemes. A code fence that a cut would break is closed and opened again with the
 * same info string. A short text is one part, unchanged.
 */
export function splitMarkdown(text: string, limit: number): string[] {
  if (limit < MIN_LIMIT) throw new RangeError(`A part needs at least ${MIN_LIMIT} characters`);
  const parts: string[] = [];
  let rest = text;
  while (rest.length > limit) {
    const cut = cutOnce(rest, limit);
    if (cut.head.trim() !== '') parts.push(cut.head);
    rest = cut.rest;
  }
  if (rest.trim() !== '' || parts.length === 0) parts.push(rest);
  return parts;
}

/** Below this there is no room for a fence around a piece of text. */
const MIN_LIMIT = 64;
/** A natural place in the last part of the room is better than a fuller part. */
const LEAST_FILL = 0.5;
/** Room for closing a fence: a line break and the fence itself. */
const LONGEST_INFO = 24;

interface Cut {
  head: string;
  rest: string;
}

function cutOnce(text: string, limit: number): Cut {
  const fenceAt = (at: number) => openFence(text.slice(0, at));
  // First as if no fence were open; if one is, again with room to close it.
  let at = naturalPlace(text, limit, fenceAt(limit) !== null);
  let fence = fenceAt(at);
  if (fence !== null) {
    at = naturalPlace(text, limit - fence.marker.length - 1, true);
    fence = fenceAt(at);
  }
  const head = text.slice(0, at);
  const rest = text.slice(at);
  if (fence === null) return { head: head.trimEnd(), rest: rest.replace(/^[ \t]*\n+|^[ \t]+/, '') };
  const opening = `${fence.marker}${fence.info.slice(0, LONGEST_INFO)}`;
  // Nothing but the opening line: better to begin the next part with the fence.
  const body = head.slice(fence.start + fence.line.length);
  if (body.trim() === '' && fence.start > 0) {
    return { head: head.slice(0, fence.start).trimEnd(), rest: text.slice(fence.start) };
  }
  return { head: `${head.replace(/\n$/, '')}\n${fence.marker}`, rest: `${opening}\n${rest.replace(/^\n/, '')}` };
}

interface Fence {
  marker: string;
  info: string;
  line: string;
  start: number;
}

/** The code fence that is open at the end of this text, or null. */
function openFence(text: string): Fence | null {
  let open: Fence | null = null;
  let start = 0;
  for (const line of text.split('\n')) {
    const match = /^ {0,3}(`{3,}|~{3,})\s*([^`]*)$/.exec(line);
    const marker = match?.[1];
    if (marker !== undefined) {
      const info = match?.[2]?.trim() ?? '';
      if (open === null) open = { marker, info, line, start };
      else if (marker.startsWith(open.marker) && info === '') open = null;
    }
    start += line.length + 1;
  }
  return open;
}

/** Where to cut: at most `limit`, at least one character. */
function naturalPlace(text: string, limit: number, inCode: boolean): number {
  const room = text.slice(0, limit);
  const least = Math.floor(limit * LEAST_FILL);
  const places = inCode ? [/\n/g] : [/\n[ \t]*\n/g, /\n/g, /[.!?…][)"'*_]*\s/g, /\s/g];
  for (const place of places) {
    const end = lastEnd(room, place);
    if (end > least) return end;
  }
  return graphemeBoundary(text, limit);
}

function lastEnd(text: string, pattern: RegExp): number {
  let end = -1;
  for (const match of text.matchAll(pattern)) end = match.index + match[0].length;
  return end;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** No grapheme that people write is longer; a longer one is cut between code points. */
const LONGEST_GRAPHEME = 64;

function graphemeBoundary(text: string, limit: number): number {
  const from = Math.max(0, limit - LONGEST_GRAPHEME);
  const near = text.slice(from, limit + LONGEST_GRAPHEME);
  let best = 0;
  for (const { index } of graphemes.segment(near)) {
    if (from + index <= limit && index > 0) best = from + index;
  }
  if (best > 0) return best;
  // Never between the halves of a surrogate pair.
  return /[\uD800-\uDBFF]/.test(text[limit - 1] ?? '') ? limit - 1 : limit;
}
