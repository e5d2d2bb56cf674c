import { afterEach, expect, test, vi } from 'vitest';
import { createLots } from '../../src/chat/lots.ts';

afterEach(() => {
  vi.useRealTimers();
});

/** Lots as they are asked for; each is done when it is told to be. */
function heldLots(most: number) {
  const asked: number[][] = [];
  const ends: Array<(error?: Error) => void> = [];
  const double = createLots<number, number>({ most }, async (items) => {
    asked.push(items);
    await new Promise<void>((resolve, reject) => {
      ends.push((error) => (error === undefined ? resolve() : reject(error)));
    });
    return items.map((item) => 2 * item);
  });
  return { asked, ends, double };
}

const settle = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

test('what begins in the same turn of the event loop goes together, and each gets its own result', async () => {
  const { asked, ends, double } = heldLots(10);
  const first = double(1);
  // As after an await that both waited for.
  const second = Promise.resolve().then(() => double(2));
  await settle();
  expect(asked).toEqual([[1, 2]]);
  ends[0]?.();
  expect(await Promise.all([first, second])).toEqual([2, 4]);
});

test('what comes while one lot is under way goes with the next, at most so much at once', async () => {
  const { asked, ends, double } = heldLots(2);
  const results = [double(1)];
  await settle();
  results.push(double(2), double(3), double(4));
  await settle();
  expect(asked).toEqual([[1]]);
  for (let n = 0; n < 3; n++) {
    ends[n]?.();
    await settle();
  }
  expect(asked).toEqual([[1], [2, 3], [4]]);
  expect(await Promise.all(results)).toEqual([2, 4, 6, 8]);
});

test('a lot that fails fails each of its own, and the next one goes on', async () => {
  const { ends, double } = heldLots(10);
  const lost = [double(1), double(2)].map((result) => expect(result).rejects.toThrow('away'));
  await settle();
  const kept = double(3);
  ends[0]?.(new Error('away'));
  await Promise.all(lost);
  await settle();
  ends[1]?.();
  expect(await kept).toBe(6);
});

test('what comes soon after a lot waits until the next may begin, and what comes alone does not', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'setImmediate'] });
  const asked: number[][] = [];
  const add = createLots<number, void>({ most: 10, apart_ms: 20 }, async (items) => {
    asked.push(items);
    return items.map(() => undefined);
  });
  const first = add(1);
  await vi.advanceTimersByTimeAsync(1);
  await first;
  const results = [add(2)];
  await vi.advanceTimersByTimeAsync(15);
  results.push(add(3));
  expect(asked).toEqual([[1]]);
  await vi.advanceTimersByTimeAsync(5);
  await Promise.all(results);
  expect(asked).toEqual([[1], [2, 3]]);
  await vi.advanceTimersByTimeAsync(20);
  const alone = add(4);
  await vi.advanceTimersByTimeAsync(1);
  await alone;
  expect(asked).toEqual([[1], [2, 3], [4]]);
});

test('the first waits for others for as long as it says', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setTimeout', 'setImmediate'] });
  const asked: number[][] = [];
  const add = createLots<number, void>({ most: 10, gatherFor: (ms) => ms }, async (items) => {
    asked.push(items);
    return items.map(() => undefined);
  });
  const results = [add(50)];
  await vi.advanceTimersByTimeAsync(49);
  results.push(add(1));
  expect(asked).toEqual([]);
  await vi.advanceTimersByTimeAsync(1);
  await Promise.all(results);
  expect(asked).toEqual([[50, 1]]);
});
