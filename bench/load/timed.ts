import { msBetween } from './v1-client.ts';

export interface Timed<T> {
  /** What each measured run gave. */
  each: T[];
  /** From the first measured run's start to the last one's end. */
  elapsed_ms: number;
  /** All of them, with those that went before the measured ones. */
  runs: number;
}

/** Share of the runs that go before the measured ones. */
const WARM_UP = 0.2;

/** Do this so many times, so many at once. */
export async function timed<T>(count: number, concurrency: number, run: () => Promise<T>): Promise<Timed<T>> {
  const times = async (runs: number): Promise<T[]> => {
    const each: T[] = [];
    let left = runs;
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (left > 0) {
          left -= 1;
          each.push(await run());
        }
      }),
    );
    return each;
  };
  const before = Math.ceil(count * WARM_UP);
  await times(before);
  const started = performance.now();
  const each = await times(count);
  return { each, elapsed_ms: performance.now() - started, runs: before + count };
}

/** How long this takes. */
export async function msOf(work: () => Promise<unknown>): Promise<number> {
  const started = process.hrtime.bigint();
  await work();
  return msBetween(started, process.hrtime.bigint());
}
