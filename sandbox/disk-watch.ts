import { statfsSync } from 'node:fs';

/** A session whose files are kept within a limit while anything of it runs. */
export interface WatchedDisk {
  /** Bytes it may take. */
  limit: number;
  /** Walks the files: slow. Null when it cannot be told now. */
  measure(): Promise<number | null>;
  /** The limit was passed; `used` is what it takes now. */
  onFull(used: number): void;
}

const TICK_MS = 100;
/** Nearer to the limit than this, every tick that sees the disk shrink measures again. */
const LEAST_SLACK = 8 * 1024 * 1024;

interface Entry {
  disk: WatchedDisk;
  /** How much had gone when the session was last measured, and how much more may go before the next time. */
  gone: number;
  slack: number;
  measuring: boolean;
}

/**
 * One timer for all sessions of a worker. Asking the file system for its free space costs microseconds, and a session can
 * only have passed its limit when that much space (or that many files) has gone: only then are its files measured. What
 * others free is not set against what has gone, or a session could grow by as much unseen.
 */
export class DiskWatch {
  readonly #freeNow: () => number;
  #free: number;
  /** All that has gone since the beginning. */
  #gone = 0;
  readonly #entries = new Map<WatchedDisk, Entry>();
  #timer: NodeJS.Timeout | null = null;

  /** @param free space and files of the file system in one number, see `freeOf` */
  constructor(free: () => number) {
    this.#freeNow = free;
    this.#free = free();
  }

  /**
   * Watch until the returned function is called. Over its limit already, a session may run to tidy up, but not grow.
   * @param known what it takes now, where that need not be measured
   */
  async watch(disk: WatchedDisk, known: number | null = null): Promise<() => void> {
    this.#look();
    const entry: Entry = { disk, gone: this.#gone, slack: 0, measuring: true };
    this.#entries.set(disk, entry);
    this.#timer ??= setInterval(() => this.#tick(), TICK_MS).unref();
    this.#settle(entry, known ?? (await disk.measure()));
    return () => {
      this.#entries.delete(disk);
      if (this.#entries.size > 0 || this.#timer === null) return;
      clearInterval(this.#timer);
      this.#timer = null;
    };
  }

  #tick(): void {
    this.#look();
    for (const entry of this.#entries.values()) {
      if (!entry.measuring && this.#gone - entry.gone > entry.slack) void this.#measure(entry);
    }
  }

  #look(): void {
    const free = this.#freeNow();
    this.#gone += Math.max(0, this.#free - free);
    this.#free = free;
  }

  async #measure(entry: Entry): Promise<void> {
    entry.measuring = true;
    entry.gone = this.#gone;
    const used = await entry.disk.measure();
    if (!this.#entries.has(entry.disk)) return;
    this.#settle(entry, used);
    if (used !== null && used > entry.disk.limit) entry.disk.onFull(used);
  }

  #settle(entry: Entry, used: number | null): void {
    entry.slack = Math.max(LEAST_SLACK, used === null ? 0 : entry.disk.limit - used);
    entry.measuring = false;
  }
}

/** Free space and files of a folder's file system in one number: a file counts as 1 KiB, as in `diskUsage`. */
export function freeOf(dir: string): number {
  const { bfree, bsize, ffree } = statfsSync(dir);
  return bfree * bsize + ffree * 1024;
}
