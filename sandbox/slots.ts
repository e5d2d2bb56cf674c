import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { type Host, type ProgramStdio, startWaiting } from './bubblewrap.ts';
import { type Cgroup, type CgroupLimits, type CgroupTree, createCgroup } from './cgroup.ts';
import { isRunning, type ProcessIdentity, processStart } from './process-table.ts';

/** A process in a control group of its own that waits to become a sandbox. */
export interface Slot {
  readonly child: ChildProcess;
  readonly identity: ProcessIdentity;
  readonly cgroup: Cgroup | null;
  /** Our ends of pipes that the process was started with, beside those of Node's own. */
  readonly pipes: readonly Socket[];
  /** The end of the process, and what it ended with. */
  readonly ended: Promise<SlotEnd>;
  /** When it has ended: whether all that was written to our pipes was read, or something else still held them. */
  readonly closed: Promise<'read' | 'given up'>;
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

/** How long after the last was taken the next are made, in ms: that one starts meanwhile, and has both processors for it. */
const NEXT_AFTER_MS = 30;
/** Where those that were made last were used up within so long, in ms, twice as many are made. */
const SOON_MS = 1_000;
/** No more than these are ready at once. */
const MOST_READY = 8;
/** After its end a sandbox's pipes are given up when nothing came through them in two such times, in ms. */
const SILENT_MS = 2_500;

/**
 * Keeps slots ready from the first that was taken on. Starting a process costs a worker milliseconds in which it does
 * nothing else, and entering a control group waits until the kernel has seen all processors pass by (15 ms on an idle
 * machine). Whoever takes one that is ready waits for neither; whoever finds none waits, as without them. Where many are
 * asked for, several are made at a time: then only few commands run beside their making.
 */
export class Slots<S extends Slot> {
  readonly #make: () => Promise<S>;
  readonly #now: () => number;
  /** The oldest first; the last may still be on its way. */
  readonly #ready: Array<Promise<S | null>> = [];
  #atOnce = 1;
  #filledAt = Number.NEGATIVE_INFINITY;
  /** One has ended by itself, untaken: whatever ended it may end the next as well, so no more are made for now. */
  #hasEnded = false;
  #filling: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #closed = false;

  /** @param now a clock, in ms */
  constructor(make: () => Promise<S>, now: () => number = () => performance.now()) {
    this.#make = make;
    this.#now = now;
  }

  /** @throws when no process can be started */
  async take(): Promise<S> {
    const ready = this.#ready.shift();
    this.#makeNext();
    const slot = (await ready) ?? null;
    if (slot === null) return this.#make();
    hold(slot, true);
    // Its end may not have been told to us yet.
    if (isRunning(slot.identity)) return slot;
    await discard(slot);
    return this.#make();
  }

  /** Those that are ready go, and no other is made ahead. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    await this.#filling;
    await Promise.all(
      this.#ready.splice(0).map(async (ready) => {
        const slot = await ready;
        if (slot === null) return;
        hold(slot, true);
        await discard(slot);
      }),
    );
  }

  #makeNext(): void {
    if (this.#closed || this.#ready.length > 0 || this.#timer !== null) return;
    if (this.#filling !== null) {
      this.#atOnce = Math.min(this.#atOnce * 2, MOST_READY);
      return;
    }
    const wasSoon = this.#now() - this.#filledAt < SOON_MS;
    this.#atOnce = wasSoon ? Math.min(this.#atOnce * 2, MOST_READY) : 1;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#filling = this.#fill().finally(() => {
        this.#filling = null;
        this.#filledAt = this.#now();
      });
    }, NEXT_AFTER_MS).unref();
  }

  async #fill(): Promise<void> {
    this.#hasEnded = false;
    while (!this.#closed && !this.#hasEnded && this.#ready.length < this.#atOnce) {
      const ready = this.#makeReady();
      this.#ready.push(ready);
      if ((await ready) === null) return;
    }
  }

  #makeReady(): Promise<S | null> {
    const ready: Promise<S | null> = this.#make().then(
      (slot) => {
        hold(slot, false);
        void slot.ended.then(() => {
          if (!this.#forget(ready)) return;
          this.#hasEnded = true;
          return discard(slot);
        });
        return slot;
      },
      () => {
        // Why is told to whoever needs one, and cannot have one either.
        this.#forget(ready);
        return null;
      },
    );
    return ready;
  }

  #forget(ready: Promise<S | null>): boolean {
    const index = this.#ready.indexOf(ready);
    if (index >= 0) void this.#ready.splice(index, 1);
    return index >= 0;
  }
}

/** Whether a slot keeps this process from coming to its end by itself. */
function hold({ child, pipes }: Slot, on: boolean): void {
  const handles = [child, ...pipes, ...(child.stdio as ReadonlyArray<Socket | null>)];
  for (const handle of handles) {
    if (on) handle?.ref();
    else handle?.unref();
  }
}

export interface SlotOptions {
  stdio: ProgramStdio;
  limits?: CgroupLimits;
  pipes?: readonly Socket[];
}

/**
 * A slot for a program with these descriptors.
 * @throws when no process can be started, or cannot be limited so
 */
export async function makeSlot(deps: SlotDeps, { stdio, limits, pipes = [] }: SlotOptions): Promise<Slot> {
  const cgroup = deps.cgroups === null ? null : await createCgroup(deps.cgroups, deps.nextName());
  try {
    if (limits !== undefined) cgroup?.limit(limits);
    const child = startWaiting(deps.host, cgroup, stdio);
    const pid = child.pid ?? 0;
    const ended = new Promise<SlotEnd>((resolve) => {
      child.once('exit', (code, signal) => resolve({ code, signal }));
    });
    const closed = closing(ended, child, cgroup, pipes);
    await once(child, 'spawn');
    return { child, identity: { pid, start: processStart(pid) ?? '' }, cgroup, pipes, ended, closed };
  } catch (error) {
    await cgroup?.remove();
    throw error;
  }
}

/** bwrap that was killed by somebody else may leave its sandbox behind, with our pipes. */
async function closing(
  ended: Promise<unknown>,
  child: ChildProcess,
  cgroup: Cgroup | null,
  pipes: readonly Socket[],
): Promise<'read' | 'given up'> {
  const all = [...pipes, ...(child.stdio as ReadonlyArray<Socket | null>)].filter((pipe) => pipe !== null);
  const closed = Promise.allSettled([once(child, 'close'), ...pipes.map((pipe) => once(pipe, 'close'))]);
  await ended;
  await cgroup?.empty();
  let isGivenUp = false;
  let before = -1;
  const timer = setInterval(() => {
    const read = all.reduce((sum, pipe) => sum + pipe.bytesRead, 0);
    // Whoever reads may have to wait for what it does with it.
    if (all.some((pipe) => pipe.isPaused()) || read !== before) {
      before = read;
      return;
    }
    isGivenUp = true;
    for (const pipe of all) pipe.destroy();
  }, SILENT_MS);
  await closed;
  clearInterval(timer);
  return isGivenUp ? 'given up' : 'read';
}

/** End a slot that was not told what to become, and leave nothing of it. */
export async function discard({ child, cgroup, ended, pipes }: Slot): Promise<void> {
  for (const pipe of pipes) pipe.destroy();
  child.kill('SIGKILL');
  await ended;
  await cgroup?.remove();
}
