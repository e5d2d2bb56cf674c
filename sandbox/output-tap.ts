import type { Readable } from 'node:stream';

export interface TappedOutput {
  /** Resolves when the command's end mark was seen. */
  ended: Promise<void>;
  /** Everything up to the end mark, or up to now, within the limit. */
  read(): string;
}

interface Command {
  mark: Buffer;
  held: Buffer;
  decoder: TextDecoder;
  text: string[];
  left: number;
  onOutput: (chunk: string) => void;
  onLimit: () => void;
  onEnd: () => void;
  finished: boolean;
}

/** Splits the one output stream of a shell into commands: what comes before a command's end mark is its output. */
export class OutputTap {
  /** Bytes seen since the last command ended. They are read, so that nobody blocks on a full pipe, and dropped. */
  strayBytes = 0;
  #command: Command | null = null;

  constructor(stream: Readable) {
    stream.on('data', (chunk: Buffer) => this.#take(chunk));
    stream.on('error', () => {});
  }

  begin(nonce: string, limit: number, onOutput: (chunk: string) => void, onLimit: () => void): TappedOutput {
    const { promise, resolve } = withResolver();
    const command: Command = {
      mark: Buffer.from(`\0${nonce}\0`),
      held: Buffer.alloc(0),
      decoder: new TextDecoder('utf-8', { ignoreBOM: true }),
      text: [],
      left: limit,
      onOutput,
      onLimit,
      onEnd: resolve,
      finished: false,
    };
    this.#command = command;
    return { ended: promise, read: () => command.text.join('') + finish(command) };
  }

  end(): void {
    this.#command = null;
    this.strayBytes = 0;
  }

  #take(chunk: Buffer): void {
    const command = this.#command;
    if (command === null || command.finished) {
      this.strayBytes += chunk.length;
      return;
    }
    const bytes = command.held.length === 0 ? chunk : Buffer.concat([command.held, chunk]);
    const end = bytes.indexOf(command.mark);
    if (end >= 0) {
      command.held = Buffer.alloc(0);
      emit(command, bytes.subarray(0, end));
      command.finished = true;
      command.onEnd();
      return;
    }
    const keep = beginningOfMark(bytes, command.mark);
    command.held = bytes.subarray(bytes.length - keep);
    emit(command, bytes.subarray(0, bytes.length - keep));
  }
}

/** How many of the last bytes may be the beginning of a mark that is still on its way. */
function beginningOfMark(bytes: Buffer, mark: Buffer): number {
  for (let length = Math.min(bytes.length, mark.length - 1); length > 0; length--) {
    if (bytes.subarray(bytes.length - length).equals(mark.subarray(0, length))) return length;
  }
  return 0;
}

function emit(command: Command, bytes: Buffer): void {
  if (bytes.length === 0) return;
  // A chunk may have ended exactly at the limit: the next byte is over it.
  const within = bytes.subarray(0, command.left);
  command.left -= within.length;
  if (within.length > 0) push(command, command.decoder.decode(within, { stream: true }));
  if (within.length < bytes.length) command.onLimit();
}

/** What is left over of an unfinished character becomes U+FFFD. */
function finish(command: Command): string {
  const rest = command.decoder.decode(command.finished ? undefined : command.held);
  command.held = Buffer.alloc(0);
  return rest;
}

function push(command: Command, text: string): void {
  if (text === '') return;
  command.text.push(text);
  command.onOutput(text);
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
