/** Cuts a text that comes in pieces into its events. */
export interface EventDecoder {
  add(piece: string): void;
  /** There is no more. An event that nothing ended is none. */
  end(): void;
}

const LINE_END = /\r\n|\n|\r/;

/**
 * Server-sent events as the SDK's own decoder has them (`Stream.rawEvents`; a test compares the two), told at once instead of
 * through a promise for each. `take` has an event's name, null without one, and its data.
 */
export function createEventDecoder(take: (name: string | null, data: string) => void): EventDecoder {
  /** The beginning of a line; or, with a carriage return at its end, a line whose end may have a second half. */
  let rest = '';
  let name: string | null = null;
  let data: string | null = null;

  function accept(line: string): void {
    const field = line.charCodeAt(0) === 0xfeff ? line.slice(1) : line;
    if (field === '') return dispatch();
    const value = valueOf(field, 'data');
    if (value !== null) data = data === null ? value : `${data}\n${value}`;
    else name = valueOf(field, 'event') ?? name;
  }

  function dispatch(): void {
    if ((name === null || name === '') && data === null) return;
    const [event, said] = [name, data ?? ''];
    name = null;
    data = null;
    take(event, said);
  }

  return {
    add(piece) {
      const isLineOver = rest.endsWith('\r') || piece.includes('\n') || piece.includes('\r');
      rest += piece;
      // To look for the end of a long line again and again would copy it each time.
      if (!isLineOver) return;
      const lines = rest.includes('\r') ? linesOf(rest) : rest.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) accept(line);
    },
    end() {
      if (rest !== '') accept(rest.endsWith('\r') ? rest.slice(0, -1) : rest);
      rest = '';
    },
  };
}

/** A carriage return at the very end may be half of a line's end, and stays with the last. */
function linesOf(text: string): string[] {
  if (!text.endsWith('\r')) return text.split(LINE_END);
  const lines = text.slice(0, -1).split(LINE_END);
  return [...lines.slice(0, -1), `${lines.at(-1) ?? ''}\r`];
}

function valueOf(line: string, field: string): string | null {
  if (!line.startsWith(field)) return null;
  const at = field.length;
  if (line.length === at) return '';
  if (line[at] !== ':') return null;
  return line.slice(line[at + 1] === ' ' ? at + 2 : at + 1);
}
