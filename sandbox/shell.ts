import { randomBytes } from 'node:crypto';
import { closeSync } from 'node:fs';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { timeLimit } from '../src/signals.ts';
import { type Host, killSandbox, launch, type SessionPaths } from './bubblewrap.ts';
import { OutputTap } from './output-tap.ts';
import { type PipeMaker, readerOf, reopenBlocking, writerOf } from './pipes.ts';
import { quote, SHELL_PROLOGUE, shellEpilogue } from './shell-script.ts';
import { makeSlot, type Slot, type SlotDeps, type SlotEnd } from './slots.ts';

/**
 * One bash in one sandbox, alive from one command to the next.
 *
 * bash reads its script from a pipe, a line at a time and no further, so what we write after a command waits in the pipe
 * until that command has ended. Three channels leave it: the output pipe (stdout and stderr of everything), and a control
 * socket that is closed for the commands themselves. Each command gets a fresh nonce, sent behind it, so nothing that a
 * command prints or does to its descriptors can look like its end. The end is said twice: on the control channel with the
 * exit code and the shell's state, and on the output pipe, which tells where this command's output ends.
 *
 * `idle` -> run -> `running` -> both ends seen -> `idle`; from either, the death of the sandbox -> `ended`, for good.
 */
export type StopReason = 'timed_out' | 'interrupted' | 'output_limit' | 'disk_limit';

export interface CommandEnd {
  /** `done`: the shell lives on. `shell_ended`: by exit, or killed from inside. `lost`: the sandbox was killed. */
  outcome: 'done' | 'shell_ended' | 'lost' | StopReason;
  exit_code: number | null;
  output: string;
}

export interface CommandRun {
  command: string;
  timeout_ms: number;
  output_bytes: number;
  onOutput: (chunk: string) => void;
  signal: AbortSignal;
}

/** State larger than this is not kept for a next shell. */
const LARGEST_STATE_BYTES = 1024 * 1024;

/** A start takes milliseconds; on a host that has nothing left it could take for ever. */
const START_LIMIT_MS = 30_000;

/** Where a shell may come to be: a process that waits, and our ends of its two pipes. */
export interface ShellSlot extends Slot {
  readonly output: Socket;
  readonly script: Socket;
}

/** @throws when no process can be started */
export async function makeShellSlot(deps: SlotDeps, pipes: PipeMaker): Promise<ShellSlot> {
  const output = await pipes.make();
  const ours: Socket[] = [readerOf(output.readEnd)];
  const theirs = [output.writeEnd];
  try {
    const { readEnd, writeEnd } = await pipes.make();
    ours.push(writerOf(writeEnd));
    const scriptEnd = reopenBlocking(readEnd);
    theirs.push(scriptEnd);
    for (const end of ours) end.on('error', () => {});
    const [reader, script] = ours as [Socket, Socket];
    const slot = await makeSlot(deps, {
      stdio: ['ignore', output.writeEnd, output.writeEnd, scriptEnd, 'pipe'],
      pipes: ours,
    });
    return { ...slot, output: reader, script };
  } catch (error) {
    for (const end of ours) end.destroy();
    throw error;
  } finally {
    // Only the sandbox may hold these: the output ends when its last process does.
    for (const end of theirs) closeSync(end);
  }
}

export class Shell {
  /** What a new shell runs to be where this one was before its latest command: directory, variables, functions, options. */
  state: string;
  /** Resolves with what bwrap said at its end, when nothing of the sandbox is left. */
  readonly ended: Promise<SlotEnd>;
  /** Bytes that background processes printed since the last command ended. */
  get strayBytes(): number {
    return this.#tap.strayBytes;
  }

  readonly #slot: ShellSlot;
  readonly #tap: OutputTap;
  #control: Buffer[] = [];
  #controlBytes = 0;
  #onControl: (() => void) | null = null;
  #stop: ((reason: StopReason) => void) | null = null;
  #alive = true;

  /**
   * @param slot becomes the shell, and is used up whatever happens
   * @param signal ends the start
   * @throws when the sandbox cannot be started, is not ready within `START_LIMIT_MS`, or was ended by the signal.
   */
  static async start(
    host: Host,
    slot: ShellSlot,
    paths: SessionPaths,
    rlimits: string,
    state: string,
    signal: AbortSignal,
  ): Promise<Shell> {
    const shell = new Shell(slot, state);
    launch(host, slot.child, { paths, cwd: '/run/shell', command: ['/bin/bash', '--norc', '--noprofile', 'bash'] });
    using limit = timeLimit(START_LIMIT_MS, [signal]);
    const kill = (): void => shell.kill();
    if (limit.signal.aborted) kill();
    else limit.signal.addEventListener('abort', kill, { once: true });
    await shell.#begin(rlimits, limit.signal);
    limit.signal.removeEventListener('abort', kill);
    return shell;
  }

  private constructor(slot: ShellSlot, state: string) {
    this.#slot = slot;
    this.state = state;
    this.#tap = new OutputTap(slot.output);
    this.ended = slot.ended;
    void this.ended.then(() => {
      this.#alive = false;
      slot.script.destroy();
    });
    const control = slot.child.stdio[4] as Readable;
    control.on('data', (chunk: Buffer) => this.#receive(chunk));
    control.on('error', () => {});
  }

  get alive(): boolean {
    return this.#alive;
  }

  async run(run: CommandRun): Promise<CommandEnd> {
    const nonce = randomBytes(16).toString('hex');
    let stopped: StopReason | null = null;
    const stop = (reason: StopReason): void => {
      stopped ??= reason;
      this.kill();
    };
    this.#stop = stop;
    const timer = setTimeout(stop, run.timeout_ms, 'timed_out');
    const onAbort = (): void => stop('interrupted');
    run.signal.addEventListener('abort', onAbort, { once: true });
    const text = this.#tap.begin(nonce, run.output_bytes, run.onOutput, () => stop('output_limit'));
    try {
      if (run.signal.aborted) stop('interrupted');
      else this.#slot.script.write(`builtin eval ${quote(run.command)} 197>&- 199>&-\n${shellEpilogue(nonce)}`);
      const status = this.#reply(nonce);
      const end = Promise.all([status, text.ended]).then(([code]) => code);
      const death = this.ended.then(async (exit) => {
        const isWhole = (await this.#slot.closed) === 'read';
        return isWhole ? exit : { ...exit, code: null };
      });
      const first = await Promise.race([end, death]);
      if (stopped !== null) {
        await death;
        return { outcome: stopped, exit_code: null, output: text.read() };
      }
      if (typeof first === 'number') return { outcome: 'done', exit_code: first, output: text.read() };
      const outcome = first.signal === null && first.code !== null ? 'shell_ended' : 'lost';
      return { outcome, exit_code: first.code, output: text.read() };
    } finally {
      clearTimeout(timer);
      run.signal.removeEventListener('abort', onAbort);
      this.#stop = null;
      this.#onControl = null;
      this.#tap.end();
    }
  }

  /** Stop the running command, and with it the sandbox. Without one it ends an idle sandbox. */
  stop(reason: StopReason): void {
    if (this.#stop === null) this.kill();
    else this.#stop(reason);
  }

  kill(): void {
    killSandbox(this.#slot.child);
  }

  async #begin(rlimits: string, limit: AbortSignal): Promise<void> {
    const nonce = randomBytes(16).toString('hex');
    this.#slot.script.write(`${SHELL_PROLOGUE}\n${rlimits}\n`);
    if (this.state !== '') this.#slot.script.write(`builtin eval ${quote(this.state)} 197>&- 199>&- >/dev/null 2>&1\n`);
    const text = this.#tap.begin(
      nonce,
      LARGEST_STATE_BYTES,
      () => {},
      () => {},
    );
    this.#slot.script.write(shellEpilogue(nonce));
    const ready = await Promise.race([this.#reply(nonce), this.ended]);
    this.#onControl = null;
    if (typeof ready !== 'number') {
      await this.#slot.closed;
      limit.throwIfAborted();
      throw new Error(
        `The sandbox ended at its start with ${ready.code ?? ready.signal}: ${text.read().slice(0, 500)}`,
      );
    }
    await Promise.race([text.ended, this.ended]);
    this.#tap.end();
  }

  #reply(nonce: string): Promise<number> {
    return new Promise((resolve) => {
      this.#onControl = () => {
        const message = this.#takeMessage();
        if (message === null) return;
        const end = message.indexOf('\n');
        const [said, status] = message.slice(0, end).split(' ');
        // Only something that tampers with the shell can say anything else: wait for the time-out, trust nothing.
        if (said !== nonce || status === undefined) return;
        this.state = message.length > LARGEST_STATE_BYTES ? '' : message.slice(end + 1);
        resolve(Number(status));
      };
    });
  }

  #receive(chunk: Buffer): void {
    const ends = chunk.at(-1) === 0;
    // What is too large to keep is still read, or the shell would wait forever to say it.
    if (this.#controlBytes <= LARGEST_STATE_BYTES) this.#control.push(chunk);
    this.#controlBytes += chunk.length;
    if (!ends) return;
    if (this.#controlBytes > LARGEST_STATE_BYTES && this.#control.at(-1) !== chunk)
      this.#control.push(Buffer.from([0]));
    this.#onControl?.();
  }

  #takeMessage(): string | null {
    const all = Buffer.concat(this.#control).toString('utf8');
    this.#control = [];
    this.#controlBytes = 0;
    return all.endsWith('\0') ? all.slice(0, -1) : null;
  }
}
