/** A code fence that is open: what would close it, and what would open it again. */
export interface Fence {
  indent: string;
  /** At least three backticks or tildes. */
  marker: string;
  info: string;
}

/** A line of markdown and what it stands in. */
export interface MarkdownLine {
  /** Offsets in the text; `end` is after the line's `\n`. */
  start: number;
  end: number;
  /** The fence that is open at the line's start. */
  fence: Fence | null;
  /** The line opens a fence. */
  opens: boolean;
  blank: boolean;
  table: boolean;
}

const FENCE = /^([ \t]*)(`{3,}|~{3,})(.*)$/;

/** The lines of a text. Fences are CommonMark's, but for their indentation: within lists they may stand anywhere. */
export function linesOf(text: string): MarkdownLine[] {
  const lines: MarkdownLine[] = [];
  let fence: Fence | null = null;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline + 1;
    const content = text.slice(start, newline < 0 ? end : newline).replace(/\r$/, '');
    const after = fenceAfter(fence, content);
    lines.push({
      start,
      end,
      fence,
      opens: fence === null && after !== null,
      blank: content.trim() === '',
      table: fence === null && /^\s*\|/.test(content),
    });
    fence = after;
    start = end;
  }
  return lines;
}

/** The fence that is open at the end of a text. */
export function fenceAtEnd(text: string): Fence | null {
  const last = linesOf(text).at(-1);
  if (last === undefined) return null;
  return fenceAfter(last.fence, text.slice(last.start, last.end).replace(/\r?\n$/, ''));
}

function fenceAfter(open: Fence | null, line: string): Fence | null {
  const match = FENCE.exec(line);
  if (match === null) return open;
  const [, indent = '', marker = '', info = ''] = match;
  if (open === null) {
    // A backtick fence's info string holds no backtick, else it is inline code.
    return marker.startsWith('`') && info.includes('`') ? null : { indent, marker, info };
  }
  const closes = marker[0] === open.marker[0] && marker.length >= open.marker.length && info.trim() === '';
  return closes ? null : open;
}
