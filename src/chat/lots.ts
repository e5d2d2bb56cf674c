/**
 * Does together what comes at the same time: one lot is under way, and what comes meanwhile goes with the next. So nothing
 * waits while there is little to do, and one round trip does for many while there is much.
 *
 * @param most items of one lot
 * @param gather_ms how long the first waits for others
 * @param work one result for each item, in their order; when it rejects, so does every item of that lot
 */
export function createLots<Item, Result>(
  { most, gather_ms = 0 }: { most: number; gather_ms?: number },
  work: (items: Item[]) => Promise<Result[]>,
): (item: Item) => Promise<Result> {
  interface Waiting {
    item: Item;
    resolve(result: Result): void;
    reject(error: unknown): void;
  }
  const waiting: Waiting[] = [];
  let busy = false;

  async function go(): Promise<void> {
    busy = true;
    // What begins in the same turn of the event loop goes together.
    await new Promise((resolve) => (gather_ms > 0 ? setTimeout(resolve, gather_ms) : setImmediate(resolve)));
    while (waiting.length > 0) {
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
      if (!busy) void go();
    });
}
