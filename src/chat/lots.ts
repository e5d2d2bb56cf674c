import { setTimeout as delay, setImmediate as soon } from 'node:timers/promises';

/** For what every chat event needs looked up or written: at 200 of them a second five go together, and none waits long. */
export const PER_EVENT = { most: 100, apart_ms: 10 };

/**
 * Does together what comes at the same time: one lot is under way, and what comes meanwhile goes with the next. So nothing
 * waits while there is little to do, and one round trip does for many while there is much.
 *
 * @param most items of one lot
 * @param gatherFor how long the first one waits for others, in ms
 * @param apart_ms from the beginning of one lot to that of the next, at least, unless it is full: what comes after a pause
 * does not wait for it, and the more there is to do, the more of it goes together
 * @param work one result for each item, in their order; when it rejects, so does every item of that lot
 */
export function createLots<Item, Result>(
  { most, gatherFor, apart_ms = 0 }: { most: number; gatherFor?: (first: Item) => number; apart_ms?: number },
  work: (items: Item[]) => Promise<Result[]>,
): (item: Item) => Promise<Result> {
  interface Waiting {
    item: Item;
    resolve(result: Result): void;
    reject(error: unknown): void;
  }
  const waiting: Waiting[] = [];
  let busy = false;
  /** When the last lot began (`performance.now()`). */
  let began = Number.NEGATIVE_INFINITY;

  async function go(first: Item): Promise<void> {
    busy = true;
    // What begins in the same turn of the event loop goes together.
    await (gatherFor === undefined ? soon() : delay(gatherFor(first)));
    while (waiting.length > 0) {
      const early_ms = began + apart_ms - performance.now();
      if (early_ms > 0 && waiting.length < most) await delay(early_ms);
      began = performance.now();
      const lot = waiting.splice(0, most);
      try {
        const results = await work(lot.map(({ item }) => item));
        for (const [index, { resolve }] of lot.entries()) resolve(results[index] as Result);
      } catch (error) {
        for (const { reject } of lot) reject(error);
      }
    }
    busy = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (!busy) void go(item);
    });
}
