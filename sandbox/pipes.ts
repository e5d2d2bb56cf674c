import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { closeSync, constants, openSync, unlinkSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';

/**
 * A real pipe. Node's own `stdio: 'pipe'` is a socket, which a program cannot open again as /dev/stdout (ENXIO),
 * and which bash cannot take as its script.
 */
export interface Pipe {
  readEnd: number;
  writeEnd: number;
}

/** How many FIFOs one `mkfifo` makes: starting that program costs more than its work. */
const BATCH = 64;

/** Makes pipes from FIFOs in a private folder, each gone from the folder once it is open. */
export class PipeMaker {
  readonly #dir: string;
  #spare: string[] = [];
  #refilling: Promise<void> | null = null;

  constructor(dir: string) {
    this.#dir = dir;
  }

  async make(): Promise<Pipe> {
    while (this.#spare.length === 0) await this.refill();
    const path = this.#spare.pop() as string;
    // Without O_NONBLOCK the first open would wait for the second.
    const readEnd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      return { readEnd, writeEnd: openSync(path, constants.O_WRONLY) };
    } catch (error) {
      closeSync(readEnd);
      throw error;
    } finally {
      unlinkSync(path);
    }
  }

  /** Make a batch ahead of need. Callers share one. */
  refill(): Promise<void> {
    this.#refilling ??= this.#mkfifo().finally(() => {
      this.#refilling = null;
    });
    return this.#refilling;
  }

  async #mkfifo(): Promise<void> {
    const paths = Array.from({ length: BATCH }, () => join(this.#dir, `pipe-${randomUUID()}`));
    // Open to the sandbox's user, who opens them again as /dev/stdout; the folder lets nobody else near.
    const child = spawn('/usr/bin/mkfifo', ['-m', '666', ...paths], { stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`mkfifo ended with ${String(code)} in ${this.#dir}`);
    this.#spare.push(...paths);
  }
}

/** The reading end of a pipe that is a child's standard input: it must block, unlike ours. */
export function reopenBlocking(fd: number): number {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_RDONLY);
  } finally {
    closeSync(fd);
  }
}

export function readerOf(fd: number): Socket {
  return new Socket({ fd, readable: true, writable: false });
}

export function writerOf(fd: number): Socket {
  return new Socket({ fd, readable: false, writable: true });
}
