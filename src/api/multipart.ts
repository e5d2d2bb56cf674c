import { InvalidInputError } from '../errors.ts';

/** A part of a multipart/form-data body (RFC 7578). Its content is read before the next part is asked for, or lost. */
export interface Part {
  name: string;
  /** Null: a plain field. */
  filename: string | null;
  /** As it was sent; empty when it was not. */
  mime_type: string;
  content: AsyncIterable<Uint8Array>;
}

const HEADER_BYTES = 16 * 1024;
const MOST_PARTS = 20;
const LINE = '\r\n';

/** The parts of a body, as they arrive: nothing is kept that is not asked for. @throws InvalidInputError */
export async function* partsOf(
  body: AsyncIterable<Uint8Array>,
  contentType: string | undefined,
): AsyncGenerator<Part, void, undefined> {
  const boundary = boundaryOf(contentType ?? '');
  if (boundary === null) throw new InvalidInputError('send the file as multipart/form-data');
  const bytes = new Scanner(body);
  const delimiter = Buffer.from(`${LINE}--${boundary}`);
  await drain(bytes.until(delimiter));
  for (let count = 0; !(await bytes.startsWith('--')); count++) {
    if (count === MOST_PARTS) throw new InvalidInputError(`a form may have ${MOST_PARTS} parts at most`);
    const headers = await headersOf(bytes);
    const content = bytes.until(delimiter);
    yield { ...headers, content };
    await drain(content);
  }
}

function boundaryOf(contentType: string): string | null {
  const [, quoted, plain] =
    /^multipart\/form-data\s*;.*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))/i.exec(contentType) ?? [];
  return quoted ?? plain ?? null;
}

async function headersOf(bytes: Scanner): Promise<Omit<Part, 'content'>> {
  const lines: Uint8Array[] = [];
  let size = 0;
  // A part without headers has its empty line at once.
  for await (const piece of bytes.until(Buffer.from(LINE + LINE))) {
    size += piece.length;
    if (size > HEADER_BYTES) throw new InvalidInputError('a part of the form has too long headers');
    lines.push(piece);
  }
  const text = Buffer.concat(lines).toString('utf8');
  const disposition = /^content-disposition:\s*form-data\s*;(.*)$/im.exec(text)?.[1] ?? '';
  const name = parameterOf(disposition, 'name');
  if (name === null) throw new InvalidInputError('a part of the form has no name');
  const mime_type = /^content-type:\s*(\S.*?)\s*$/im.exec(text)?.[1] ?? '';
  return { name, filename: parameterOf(disposition, 'filename'), mime_type };
}

/** Browsers and fetch write quotes and line ends as percent signs, and nothing else (html.spec.whatwg.org). */
function parameterOf(disposition: string, name: string): string | null {
  const found = new RegExp(`(?:^|;)\\s*${name}="([^"]*)"`, 'i').exec(disposition)?.[1];
  if (found === undefined) return null;
  return found.replace(/%(22|0D|0A)/gi, (_whole, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

async function drain(content: AsyncIterable<Uint8Array>): Promise<void> {
  for await (const _piece of content);
}

/** Bytes as they come, cut at delimiters. The body begins as if a line had ended before it. */
class Scanner {
  readonly #source: AsyncIterator<Uint8Array>;
  #rest: Buffer = Buffer.from(LINE);

  constructor(body: AsyncIterable<Uint8Array>) {
    this.#source = body[Symbol.asyncIterator]();
  }

  /** Everything before the delimiter, which is then behind. Asked again after its end, it gives nothing. */
  async *until(delimiter: Buffer): AsyncGenerator<Uint8Array, void, undefined> {
    for (;;) {
      const at = this.#rest.indexOf(delimiter);
      // The end of what is there may be the beginning of the delimiter.
      const safe = at >= 0 ? at : Math.max(0, this.#rest.length - delimiter.length + 1);
      const piece = this.#rest.subarray(0, safe);
      this.#rest = this.#rest.subarray(at >= 0 ? at + delimiter.length : safe);
      if (piece.length > 0) yield piece;
      if (at >= 0) return;
      await this.#more();
    }
  }

  /** Whether this comes next. The end of a delimiter's line is left behind, as far as it is one. */
  async startsWith(text: string): Promise<boolean> {
    while (this.#rest.length < text.length) await this.#more();
    if (this.#rest.toString('latin1', 0, text.length) === text) return true;
    if (!this.#rest.subarray(0, LINE.length).equals(Buffer.from(LINE))) {
      throw new InvalidInputError('the form is not well made: a line goes on behind its boundary');
    }
    // It stays: headers begin behind it, and it ends them where there are none.
    return false;
  }

  async #more(): Promise<void> {
    const { done, value } = await this.#source.next();
    if (done === true) throw new InvalidInputError('the form ends before its last boundary');
    this.#rest = Buffer.concat([this.#rest, value]);
  }
}
