import { type Fence, fenceAtEnd, linesOf, type MarkdownLine } from './markdown-lines.ts';

/**
 * One message of several: `prefix` opens again what the cut before it closed, or says the header of a table again; `suffix`
 * closes what is open.
 */
export interface Piece {
  prefix: string;
  /** The pieces' bodies together are the text, to the letter. */
  body: string;
  suffix: string;
}

/** A cut this early in a message is worse than a less natural one further on. */
const LEAST_FILL = 0.4;

/**
 * Markdown as messages of at most `limit` characters (UTF-16 units), cut at natural places: between paragraphs, lines,
 * sentences, words, and within a word only where there is nothing else, never within a surrogate pair or, where one
 * fits, a grapheme. A code fence that is cut is closed and opened again; tables, links and inline code stay whole
 * where they fit. Where a part is cut depends on what comes before the cut and on little after it, so that the parts of
 * a growing text stay as they are.
 * @param cuts where it was cut before, in order: there it is cut again, and a table has its header again
 */
export function splitMarkdown(markdown: string, limit: number, cuts: readonly number[] = []): string[] {
  if (cuts.length === 0 && markdown.length <= limit && fenceAtEnd(markdown) === null) return [markdown];
  return splitPieces(markdown, limit, cuts)
    .map(({ prefix, body, suffix }) => prefix + body + suffix)
    .filter((part, _index, all) => all.length === 1 || part.trim() !== '');
}

/** @throws RangeError for a limit under 40, where nothing could be kept whole. */
export function splitPieces(markdown: string, limit: number, cuts: readonly number[] = []): Piece[] {
  if (limit < 40) throw new RangeError(`A message of at most ${limit} characters cannot hold markdown`);
  const lines = linesOf(markdown);
  const pieces: Piece[] = [];
  let at = 0;
  let fence: Fence | null = null;
  while (at < markdown.length || pieces.length === 0) {
    const prefix = cuts.includes(at) && fence === null ? headAgain(markdown, lines, at, limit) : opening(fence, limit);
    const next = cuts.find((cut) => cut > at) ?? markdown.length;
    const body = markdown.slice(at, next);
    const suffix = closing(fenceAtEnd(prefix + body), body, limit);
    const fits = prefix.length + body.length + suffix.length <= limit;
    const piece = fits ? { prefix, body, suffix } : cutPiece(markdown, lines, at, prefix, limit);
    fence = fenceAtEnd(prefix + piece.body);
    pieces.push(piece);
    at += piece.body.length;
  }
  return pieces;
}

/**
 * Where a growing text may go on in a new message before its last one is full, and where it is cut up to there: at the
 * beginning of its last paragraph, or at least line; where its last message is all one code block or table, at the beginning of
 * the last line of that which is whole. Null: nowhere in its last message.
 */
export function cutsToGoOn(markdown: string, limit: number, before: readonly number[]): number[] | null {
  const ends: number[] = [];
  for (const { body } of splitPieces(markdown, limit, before)) ends.push((ends.at(-1) ?? 0) + body.length);
  const cuts = ends.slice(0, -1);
  const at = cuts.at(-1) ?? 0;
  const lines = linesOf(markdown);
  const { paragraphs, blocks } = lineCuts(lines, at, markdown.length, limit);
  const hasBoth = (cut: number) => markdown.slice(at, cut).trim() !== '' && markdown.slice(cut).trim() !== '';
  const cut = paragraphs.findLast(hasBoth) ?? blocks.findLast(hasBoth) ?? cutWithin(markdown, lines, at);
  return cut === undefined ? null : [...cuts, cut];
}

/** The beginning of the last whole line of a code block or a table, with some of it on both sides. */
function cutWithin(text: string, lines: MarkdownLine[], from: number): number | undefined {
  const last = lines.findLastIndex((line, index) => {
    const before = lines[index - 1];
    if (before === undefined || before.start < from || line.blank || !text.slice(line.start, line.end).endsWith('\n'))
      return false;
    if (line.fence === null) return line.table && headOf(text, lines, index - 1) !== undefined;
    const after = lines[index + 1];
    const closes = (after === undefined ? fenceAtEnd(text) : after.fence) === null;
    return !before.opens && !closes;
  });
  return lines[last]?.start;
}

/** The header of the table that this line is a row of; undefined where it is none. */
function headOf(text: string, lines: MarkdownLine[], index: number): string | undefined {
  let first = index;
  while (lines[first]?.table === true && lines[first - 1]?.table === true) first -= 1;
  const [header, delimiter] = [lines[first], lines[first + 1]];
  if (header === undefined || delimiter === undefined || index < first + 2 || lines[index]?.table !== true)
    return undefined;
  const isTable = DELIMITER.test(text.slice(delimiter.start, delimiter.end).trim());
  return isTable ? text.slice(header.start, delimiter.end) : undefined;
}

/** What stands below a table's header: `| --- | :-: |`. */
const DELIMITER = /^\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?$/;

/** The header of a table whose rows go on at `at`; a header of absurd length is left out rather than the rows. */
function headAgain(text: string, lines: MarkdownLine[], at: number, limit: number): string {
  const index = firstAfter(lines, at);
  const head = lines[index]?.start === at ? headOf(text, lines, index) : undefined;
  return head === undefined || head.length > limit / 4 ? '' : head;
}

/** A cut line can look like a fence that was none: then the closing of that fence needs its room too. */
function cutPiece(text: string, lines: MarkdownLine[], at: number, prefix: string, limit: number): Piece {
  for (let room = limit - prefix.length; ; ) {
    const body = text.slice(at, bestCut(text, lines, at, room, limit));
    const suffix = closing(fenceAtEnd(prefix + body), body, limit);
    const over = prefix.length + body.length + suffix.length - limit;
    if (over <= 0) return { prefix, body, suffix };
    room = Math.min(room, body.length) - over;
  }
}

/** What opens the fence again; a marker or language of absurd length is left out rather than the code. */
function opening(fence: Fence | null, limit: number): string {
  if (fence === null) return '';
  const bare = `${fence.indent}${fence.marker}`;
  const whole = `${bare}${fence.info.trimEnd()}\n`;
  if (whole.length <= limit / 4) return whole;
  return bare.length < limit / 4 ? `${bare}\n` : '';
}

function closing(fence: Fence | null, body: string, limit: number): string {
  if (fence === null || fence.indent.length + fence.marker.length >= limit / 4) return '';
  return `${body.endsWith('\n') ? '' : '\n'}${fence.indent}${fence.marker}`;
}

/** Where to end the message that starts at `at` and has `room` characters, its closing fence included. */
function bestCut(text: string, lines: MarkdownLine[], at: number, room: number, limit: number): number {
  const cuts = lineCuts(lines, at, at + room, limit);
  const least = at + room * LEAST_FILL;
  const natural =
    cuts.paragraphs.findLast((cut) => cut >= least) ??
    cuts.blocks.findLast((cut) => cut >= least) ??
    cuts.lines.findLast((cut) => cut >= least);
  if (natural !== undefined) return natural;

  const line = lines.findLast((candidate) => candidate.start < at + room);
  const inFence = line?.fence ?? null;
  const end = at + room - closing(inFence, '', limit).length;
  const within = wordCut(text, Math.max(at, line?.start ?? at), end, inFence !== null);
  const start = line?.start ?? at;
  // Better a short message than a word torn apart at its end.
  if (within <= start && start > at) return start;
  return within > at ? within : graphemeCut(text, at, end);
}

/** Line ends within reach, by how natural a cut there is. */
function lineCuts(lines: MarkdownLine[], at: number, to: number, limit: number) {
  const paragraphs: number[] = [];
  const blocks: number[] = [];
  const all: number[] = [];
  for (let index = firstAfter(lines, at); index < lines.length; index++) {
    const line = lines[index];
    if (line === undefined || line.end > to) break;
    const next = lines[index + 1];
    if (next === undefined) break;
    if (line.end + closing(next.fence, '\n', limit).length > to) break;
    all.push(line.end);
    if (next.fence !== null || (line.table && next.table)) continue;
    blocks.push(line.end);
    if (line.blank || next.opens || line.fence !== null) paragraphs.push(line.end);
  }
  return { paragraphs, blocks, lines: all };
}

/** The first line that ends after `at`. */
function firstAfter(lines: MarkdownLine[], at: number): number {
  let low = 0;
  let high = lines.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((lines[middle]?.end ?? 0) > at) high = middle;
    else low = middle + 1;
  }
  return low;
}

/** What is not cut where it fits: links, images, addresses and inline code. */
const WHOLE = /!?\[[^\]\n]*\]\([^)\n]*\)|<[a-z]+:[^>\s]*>|https?:\/\/\S+|`[^`\n]+`/g;

/** The last sentence's or word's end in (from, to]; `from` when there is none. */
function wordCut(text: string, from: number, to: number, code: boolean): number {
  const window = text.slice(from, to + 1);
  const lookahead = text.slice(from, to + 2_000);
  const whole = code ? [] : [...lookahead.matchAll(WHOLE)].map((match) => [match.index, match.index + match[0].length]);
  const allowed = (cut: number) => !whole.some(([start = 0, end = 0]) => cut > start && cut < end);
  const least = (to - from) * LEAST_FILL;
  if (!code) {
    for (let cut = to - from; cut >= least; cut--) {
      if (/\s/.test(window[cut - 1] ?? '') && /[.!?…。！？]/.test(window[cut - 2] ?? '') && allowed(cut))
        return from + cut;
    }
  }
  for (let cut = to - from; cut > 0; cut--) {
    if (/\s/.test(window[cut - 1] ?? '') && allowed(cut)) return from + cut;
  }
  return from;
}

const graphemes = new Intl.Segmenter(undefined, { granularity: 'grapheme' });
/** How far back a grapheme is looked for; longer ones (stacked marks) are cut. */
const LONGEST_GRAPHEME = 200;

function graphemeCut(text: string, from: number, to: number): number {
  const start = Math.max(from, to - LONGEST_GRAPHEME);
  let cut = start;
  for (const { index } of graphemes.segment(text.slice(start, to + LONGEST_GRAPHEME))) {
    if (start + index > to) break;
    cut = start + index;
  }
  if (cut > from && !splitsPair(text, cut)) return cut;
  return splitsPair(text, to) && to - 1 > from ? to - 1 : to;
}

function splitsPair(text: string, at: number): boolean {
  return /[\uD800-\uDBFF]/.test(text[at - 1] ?? '') && /[\uDC00-\uDFFF]/.test(text[at] ?? '');
}
