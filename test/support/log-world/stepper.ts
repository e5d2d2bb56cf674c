import type { Scheduler } from 'fast-check';
import { vi } from 'vitest';

/** Longer than a renewal waits for others. */
const A_MOMENT_MS = 200;

/** Lets concurrent work go on one database operation at a time, in an order that fast-check chooses and can repeat. */
export interface Stepper {
  /** Wait for one's turn, then do it while everything else stands still. `changes` is the collection that it may change. */
  step<T>(label: string, work: () => Promise<T>, changes: string | null): Promise<T>;
  /** Give out turns until nobody wants one. */
  run(): Promise<void>;
}

/** `afterWrite` sees the world after each turn that may have changed it, before whoever had the turn goes on. */
export function createStepper(scheduler: Scheduler<string>, afterWrite: (changed: string) => Promise<void>): Stepper {
  const underWay = new Set<Promise<unknown>>();

  /** Whoever could go on has: it waits for its next turn or is done. Nothing between two turns takes longer than a moment. */
  async function calm(): Promise<void> {
    do {
      await Promise.allSettled(underWay);
      await new Promise((resolve) => setImmediate(resolve));
      vi.advanceTimersByTime(A_MOMENT_MS);
      await new Promise((resolve) => setImmediate(resolve));
    } while (underWay.size > 0);
  }

  async function perform<T>(work: () => Promise<T>, changes: string | null): Promise<T> {
    try {
      return await work();
    } finally {
      if (changes !== null) await afterWrite(changes);
    }
  }

  return {
    async step(label, work, changes) {
      await scheduler.schedule(Promise.resolve(), label);
      const working = perform(work, changes);
      underWay.add(working);
      try {
        return await working;
      } finally {
        underWay.delete(working);
      }
    },
    async run() {
      await calm();
      while (scheduler.count() > 0) {
        await scheduler.waitOne();
        await calm();
      }
    },
  };
}
