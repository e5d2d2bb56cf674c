import { randomUUID } from 'node:crypto';
import {
  type ExecRequest,
  type ExecResult,
  type OutputFile,
  type Workspace,
  WorkspaceFileError,
  type WorkspaceLimits,
  WorkspaceLostError,
} from '../src/tools/workspace.ts';
import type { SessionPaths } from './bubblewrap.ts';
import type { Cgroup } from './cgroup.ts';
import { describeEnd, megabytes } from './command-end.ts';
import type { DiskWatch } from './disk-watch.ts';
import { diskUsage, globFiles, grepFiles, ROOT, readFile, writeFile } from './file-operations.ts';
import { type HelperDeps, type HelperEnd, type HelperRun, runHelper } from './helper.ts';
import { commandTimeout } from './limits.ts';
import { listOutputs, readOutput } from './outputs.ts';
import { type CommandEnd, Shell, type ShellSlot } from './shell.ts';
import { discard, type Slots } from './slots.ts';

export interface WorkspaceDeps extends HelperDeps {
  shells: Slots<ShellSlot>;
  disks: DiskWatch;
  onProgressError: (error: unknown) => void;
}

interface RunningShell {
  shell: Shell;
  cgroup: Cgroup | null;
  unwatch: Promise<() => void>;
}

/** A session's files, and its shell once a command needed one. */
export class BubblewrapWorkspace implements Workspace {
  readonly session_id: string;
  readonly root = ROOT;
  readonly limits: WorkspaceLimits;
  lastUsed = Date.now();
  inUse = 0;
  readonly #deps: WorkspaceDeps;
  readonly #paths: SessionPaths;
  readonly #closing = new AbortController();
  readonly #onClose: () => void;
  #running: RunningShell | null = null;
  #state = '';
  #notes: string[] = [];
  #queue: Promise<unknown> = Promise.resolve();
  #closed: Promise<void> | null = null;
  readonly #helpers = new Set<Promise<unknown>>();
  #usage = 0;
  /** Nothing has ever been in it. */
  #isEmpty: boolean;

  constructor(
    deps: WorkspaceDeps,
    sessionId: string,
    paths: SessionPaths,
    limits: WorkspaceLimits,
    isNew: boolean,
    onClose: () => void,
  ) {
    this.#deps = deps;
    this.session_id = sessionId;
    this.#paths = paths;
    this.limits = limits;
    this.#isEmpty = isNew;
    this.#onClose = onClose;
  }

  exec(request: ExecRequest, signal: AbortSignal): Promise<ExecResult> {
    return this.#use(() => this.#inTurn(() => this.#exec(request, AbortSignal.any([signal, this.#closing.signal]))));
  }

  async warmUp(): Promise<void> {
    await this.#use(() => this.#inTurn(() => this.#shell(this.#closing.signal)));
  }

  restartShell(): Promise<void> {
    return this.#use(() =>
      this.#inTurn(async () => {
        await this.#endShell();
        this.#state = '';
        this.#notes = [];
      }),
    );
  }

  readFile(path: string, maxBytes: number): Promise<Uint8Array> {
    return this.#use(() => readFile(this.#helper, path, maxBytes));
  }

  writeFile(path: string, content: Uint8Array | string): Promise<void> {
    this.#isEmpty = false;
    return this.#use(async () => {
      const size = typeof content === 'string' ? Buffer.byteLength(content) : content.length;
      if (size > this.limits.file_bytes) {
        throw new WorkspaceFileError('too_large', `${path}: a file may have ${this.limits.file_bytes} bytes at most.`);
      }
      // The last known usage is enough while there is plenty of room.
      this.#usage += size;
      if (this.#usage > this.limits.disk_bytes / 2 || this.#usage === size) await this.#measure(size);
      if (this.#usage > this.limits.disk_bytes) {
        throw new WorkspaceFileError(
          'disk_full',
          `The workspace may hold ${this.limits.disk_bytes} bytes: delete something first.`,
        );
      }
      await writeFile(this.#helper, path, content, `deckhand-${randomUUID()}`);
    });
  }

  glob(pattern: string, path: string | undefined, limit: number, signal: AbortSignal): Promise<string[]> {
    return this.#use(() => globFiles(this.#helper, pattern, path, limit, signal));
  }

  grep(pattern: string, path: string | undefined, limit: number, signal: AbortSignal): Promise<string[]> {
    return this.#use(() => grepFiles(this.#helper, pattern, path, limit, signal));
  }

  outputs(signal: AbortSignal): Promise<OutputFile[]> {
    return this.#use(() => listOutputs(this.#helper, signal));
  }

  async *readOutput(path: string, maxBytes: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    this.inUse++;
    try {
      yield* readOutput(this.#helper, path, maxBytes, signal);
    } finally {
      this.inUse--;
      this.lastUsed = Date.now();
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#closed ??= (async () => {
      this.#closing.abort();
      this.#running?.shell.kill();
      await this.#queue;
      await this.#endShell();
      await Promise.allSettled(this.#helpers);
      this.#onClose();
    })();
    return this.#closed;
  }

  readonly #helper = (run: HelperRun): Promise<HelperEnd> => {
    const signal = AbortSignal.any([run.signal, this.#closing.signal]);
    const running = runHelper(this.#deps, this.#paths, { ...run, signal });
    this.#helpers.add(running);
    const done = (): void => void this.#helpers.delete(running);
    running.then(done, done);
    return running;
  };

  async #exec(request: ExecRequest, signal: AbortSignal): Promise<ExecResult> {
    if (signal.aborted) return { outcome: 'interrupted', exit_code: null, output: '' };
    if (request.command.includes('\0'))
      return { outcome: 'exited', exit_code: 2, output: 'A command cannot hold a NUL character.\n' };
    let running: RunningShell;
    try {
      running = await this.#shell(signal);
    } catch (error) {
      if (signal.aborted) return { outcome: 'interrupted', exit_code: null, output: '' };
      return { outcome: 'lost', exit_code: null, output: '', note: this.#notStarted(error) };
    }
    const { shell, cgroup } = running;
    const timeout = commandTimeout(this.limits, request.timeout_ms);
    const killsBefore = cgroup?.memoryKills() ?? 0;
    const refusalsBefore = cgroup?.processRefusals() ?? 0;
    const end = await shell.run({
      command: request.command,
      timeout_ms: timeout,
      output_bytes: this.limits.output_bytes,
      signal,
      onOutput: (chunk) => {
        try {
          request.onOutput?.(chunk);
        } catch (error) {
          this.#deps.onProgressError(error);
        }
      },
    });
    if ((cgroup?.memoryKills() ?? 0) > killsBefore) {
      this.#notes.push(
        `The kernel killed a process that went over the memory limit of ${megabytes(this.limits.memory_bytes)}.`,
      );
    }
    const refused = (cgroup?.processRefusals() ?? 0) > refusalsBefore;
    return this.#result(end, running, timeout, refused);
  }

  #notStarted(error: unknown): string {
    const said = `The sandbox could not be started: ${error instanceof Error ? error.message : String(error)}`;
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    if (!isLate || this.#state === '') return said;
    // What it may have been waiting for.
    this.#state = '';
    return `${said}. The next command starts in a new shell, in /workspace and without earlier variables.`;
  }

  async #result(end: CommandEnd, running: RunningShell, timeout: number, refused: boolean): Promise<ExecResult> {
    const { outcome, exit_code, output } = end;
    if (outcome === 'done') {
      this.#state = running.shell.state;
      // A bomb may be between two bursts at this moment; that processes were refused does not pass.
      if (refused || running.cgroup?.isFull() === true) {
        await this.#endShell();
        this.#notes.push(`The processes left behind used up the limit of ${this.limits.processes} and were ended.`);
      }
      return this.#withNotes({ outcome: 'exited', exit_code, output });
    }
    await this.#endShell();
    const { result, note, ends_state } = describeEnd(outcome, end, { limits: this.limits, timeout_ms: timeout });
    if (ends_state) this.#state = '';
    this.#notes.push(note);
    return this.#withNotes(result);
  }

  /** The shell that is running and fit for another command, or a new one. */
  async #shell(signal: AbortSignal): Promise<RunningShell> {
    const old = this.#running;
    if (old !== null) {
      if (!old.shell.alive)
        this.#notes.push('The sandbox had ended since the last command; background processes are gone.');
      else if (old.cgroup?.isFull() === true)
        this.#notes.push('Background processes had used up the process limit and were ended.');
      else if (old.shell.strayBytes > this.limits.output_bytes) {
        this.#notes.push('Background processes printed without end and were ended: send their output to a file.');
      } else return old;
      await this.#endShell();
    }
    const { host, shells, rlimits, disks } = this.#deps;
    const slot = await shells.take();
    const { cgroup } = slot;
    try {
      signal.throwIfAborted();
      cgroup?.limit(this.limits);
      const shell = await Shell.start(host, slot, this.#paths, rlimits, this.#state, signal);
      const disk = {
        limit: this.limits.disk_bytes,
        measure: () => this.#measure(0),
        onFull: () => shell.stop('disk_limit'),
      };
      const unwatch = disks.watch(disk, this.#isEmpty ? 0 : null);
      this.#isEmpty = false;
      this.#running = { shell, cgroup, unwatch };
      return this.#running;
    } catch (error) {
      await discard(slot);
      throw error;
    }
  }

  async #endShell(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    if (running === null) return;
    running.shell.kill();
    await running.shell.ended;
    await running.cgroup?.remove();
    (await running.unwatch)();
  }

  async #measure(extra: number): Promise<number | null> {
    try {
      const used = await diskUsage(this.#helper);
      if (used !== null) this.#usage = used + extra;
      return used;
    } catch {
      // The host is out of something; the next tick tries again.
      return null;
    }
  }

  #withNotes(result: ExecResult): ExecResult {
    if (this.#notes.length === 0) return result;
    const note = this.#notes.join(' ');
    this.#notes = [];
    return { ...result, note };
  }

  /** Commands one after another, in the order they came. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#queue.then(work);
    this.#queue = turn.catch(() => {});
    return turn;
  }

  async #use<T>(work: () => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new WorkspaceLostError(`The workspace of ${this.session_id} was closed.`);
    this.inUse++;
    try {
      return await work();
    } finally {
      this.inUse--;
      this.lastUsed = Date.now();
    }
  }
}
