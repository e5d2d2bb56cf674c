import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type Host, type ProgramStdio, startWaiting } from './bubblewrap.ts';
import { type Cgroup, type CgroupTree, createCgroup } from './cgroup.ts';
import { processStart } from './process-table.ts';

/** A process in a control group of its own that waits to become a sandbox. */
export interface Slot {
  readonly child: ChildProcess;
  readonly cgroup: Cgroup | null;
  /** The end of the process, and what it ended with. */
  readonly ended: Promise<SlotEnd>;
  /** Resolves when it has ended and what it wrote to pipes of Node's own was read. */
  readonly closed: Promise<void>;
}

export interface SlotEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface SlotDeps {
  host: Host;
  cgroups: CgroupTree | null;
  /** A name for a control group that nobody else uses. */
  nextName: () => string;
}

/** How long after one was taken the next is made, in ms: that one starts meanwhile, and has both processors for it. */
const NEXT_AFTER_MS = 30;

/**
 * Keeps one slot ready. Starting a process costs a worker milliseconds in which it does nothing else, and entering a control
 * group waits until the kernel has seen all processors pass by (15 ms on an idle machine). Whoever takes the one that is
 * ready waits for neither; whoever finds none waits, as without it.
 */
export class Slots<S extends Slot> {
  readonly #make: () => Promise<S>;
  readonly #discard: (slot: S) => Promise<void>;
  #ready: Promise<S | null> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  constructor(make: () => Promise<S>, drop: (slot: S) => Promise<void> = discard) {
    this.#make = make;
    this.#discard = drop;
  }

  /** @throws when no process can be started */
  async take(): Promise<S> {
    const ready = this.#ready;
    this.#ready = null;
    this.#makeNext();
    const slot = await ready;
    if (slot === null) return this.#make();
    // Its end may not have been told to us yet.
    if (slot.child.pid !== undefined && processStart(slot.child.pid) !== null) return slot;
    await this.#discard(slot);
    return this.#make();
  }

  /** The one that is ready goes, and no other is made ahead. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    const slot = await this.#ready;
    this.#ready = null;
    if (slot !== null) await this.#discard(slot);
  }

  #makeNext(): void {
    if (this.#closed || this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      // Why none could be made is told to whoever needs one, and cannot have one either.
      this.#ready ??= this.#make().catch(() => null);
    }, NEXT_AFTER_MS).unref();
  }
}

/**
 * A slot for a program with these descriptors.
 * @throws when no process can be started
 */
export async function makeSlot(deps: SlotDeps, stdio: ProgramStdio): Promise<Slot> {
  const cgroup = deps.cgroups === null ? null : createCgroup(deps.cgroups, deps.nextName());
  try {
    const child = startWaiting(deps.host, cgroup, stdio);
    const ended = new Promise<SlotEnd>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const closed = new Promise<void>((resolve) => {
      child.once('close', () => resolve());
    });
    await once(child, 'spawn');
    return { child, cgroup, ended, closed };
  } catch (error) {
    await cgroup?.remove();
    throw error;
  }
}

/** End a slot that was not told what to become, and leave nothing of it. */
export async function discard({ child, cgroup, ended }: Slot): Promise<void> {
  child.kill('SIGKILL');
  await ended;
  await cgroup?.remove();
}
