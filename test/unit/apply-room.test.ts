import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createApplyRoom } from '../../src/chat/apply-room.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Longer than from one wave to the next. */
const WAVE_MS = 50;
const CROWD = 50;

/** How many get in while nobody leaves. */
async function insideOf(room: ReturnType<typeof createApplyRoom>): Promise<number> {
  const leaves: Array<() => void> = [];
  for (let n = 0; n < CROWD; n++) void room.enter('A').then((leave) => leaves.push(leave));
  await vi.advanceTimersByTimeAsync(WAVE_MS);
  const count = leaves.length;
  for (let done = 0; done < CROWD; done = leaves.length) {
    for (const leave of leaves) leave();
    await vi.advanceTimersByTimeAsync(WAVE_MS);
  }
  for (const leave of leaves) leave();
  await vi.advanceTimersByTimeAsync(WAVE_MS);
  return count;
}

async function through(room: ReturnType<typeof createApplyRoom>): Promise<void> {
  const entered = room.enter('A');
  await vi.advanceTimersByTimeAsync(WAVE_MS);
  (await entered)();
}

test('thirty-two are applied at once while keeping is quick', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 100; n++) room.kept(3);
  expect(await insideOf(room)).toBe(32);
});

test('they come in waves, the first alone and at once, the next the further apart the more there are', async () => {
  const room = createApplyRoom();
  const waves: number[] = [];
  for (let at_ms = 0; at_ms < 300; at_ms += 3) {
    void room.enter(String(at_ms)).then((leave) => {
      const now = performance.now();
      if (waves.at(-1) !== now) waves.push(now);
      leave();
    });
    await vi.advanceTimersByTimeAsync(3);
  }
  const apart = waves.slice(1).map((at, index) => at - (waves[index] ?? 0));
  expect(apart.slice(0, 2)).toEqual([10, 25]);
  expect(new Set(apart.slice(2))).toEqual(new Set([25]));
});

test('few places are shared by turns', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 50; n++) room.kept(n === 0 ? 3 : 200);
  const order: string[] = [];
  const work = async (lane: string) => {
    const leave = await room.enter(lane);
    order.push(lane);
    leave();
  };
  const all = Promise.all(`${'A'.repeat(30)}BBC`.split('').map(work));
  await vi.advanceTimersByTimeAsync(1_000);
  await all;
  expect(order.join('')).toBe(`ABCAB${'A'.repeat(28)}`);
});

test('keeping that is slow takes their room, but for four', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 4; n++) room.kept(n === 0 ? 3 : 200);
  const fewer = await insideOf(room);
  expect(fewer).toBeLessThan(32);
  for (let n = 0; n < 50; n++) room.kept(200);
  expect(await insideOf(room)).toBe(4);
});

test('keeping that always takes as long takes none', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 1_000; n++) room.kept(40);
  expect(await insideOf(room)).toBe(32);
});

test('it comes back with what is kept quickly, and with what is applied when nothing comes', async () => {
  let now = 0;
  const room = createApplyRoom(() => now);
  room.kept(3);
  for (let n = 0; n < 50; n++) room.kept(200);
  for (let n = 0; n < 500; n++) room.kept(3);
  const some = await insideOf(room);
  expect(some > 4 && some < 32).toBe(true);
  now += 1_001;
  for (let n = 0; n < 500; n++) await through(room);
  expect(await insideOf(room)).toBe(32);
});

test('what is applied while events come gives back less, also between two lots of them', async () => {
  const room = createApplyRoom(() => 0);
  room.kept(3);
  for (let n = 0; n < 50; n++) room.kept(200);
  for (let lot = 0; lot < 30; lot++) {
    for (let n = 0; n < 10; n++) room.kept(3);
    for (let n = 0; n < 10; n++) await through(room);
  }
  // Enough for all when nothing comes meanwhile.
  expect(await insideOf(room)).toBeLessThan(20);
});

test('in a hurry nobody waits for a wave', async () => {
  const room = createApplyRoom();
  (await room.enter('A'))();
  room.hurry();
  let left = 0;
  const leave = (go: () => void): void => {
    go();
    left += 1;
  };
  const all = Array.from({ length: 1_000 }, (_, n) => room.enter(String(n)).then(leave));
  // What remains of the wave before.
  await vi.advanceTimersByTimeAsync(10);
  expect(left).toBe(1_000);
  await Promise.all(all);
});
