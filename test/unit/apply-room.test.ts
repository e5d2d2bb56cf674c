import { expect, test } from 'vitest';
import { createApplyRoom } from '../../src/chat/apply-room.ts';

/** How many get in at once. */
async function insideOf(room: ReturnType<typeof createApplyRoom>): Promise<number> {
  const leaves: Array<() => void> = [];
  for (let n = 0; n < 30; n++) void room.enter('A').then((leave) => leaves.push(leave));
  await new Promise((resolve) => setImmediate(resolve));
  const count = leaves.length;
  for (let done = 0; done < 30; done = leaves.length) {
    for (const leave of leaves) leave();
    await new Promise((resolve) => setImmediate(resolve));
  }
  for (const leave of leaves) leave();
  return count;
}

test('sixteen are applied at once while keeping is quick', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 100; n++) room.kept(3);
  expect(await insideOf(room)).toBe(16);
});

test('one place is shared by turns', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 50; n++) room.kept(n === 0 ? 3 : 200);
  const order: string[] = [];
  const work = async (lane: string) => {
    const leave = await room.enter(lane);
    order.push(lane);
    await new Promise((resolve) => setImmediate(resolve));
    leave();
  };
  await Promise.all('AAAAAAAAAABBC'.split('').map(work));
  expect(order.join('')).toBe('ABCABAAAAAAAA');
});

test('keeping that is slow takes their room, but for one', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 4; n++) room.kept(n === 0 ? 3 : 200);
  const fewer = await insideOf(room);
  expect(fewer).toBeLessThan(16);
  for (let n = 0; n < 50; n++) room.kept(200);
  expect(await insideOf(room)).toBe(1);
});

test('keeping that always takes as long takes none', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 1_000; n++) room.kept(40);
  expect(await insideOf(room)).toBe(16);
});

test('it comes back with what is kept quickly, and with what is applied when nothing comes', async () => {
  let now = 0;
  const room = createApplyRoom(() => now);
  room.kept(3);
  for (let n = 0; n < 50; n++) room.kept(200);
  for (let n = 0; n < 500; n++) room.kept(3);
  const some = await insideOf(room);
  expect(some > 1 && some < 16).toBe(true);
  now += 1_001;
  for (let n = 0; n < 300; n++) (await room.enter('A'))();
  expect(await insideOf(room)).toBe(16);
});

test('what is applied while events come gives back less, also between two lots of them', async () => {
  const room = createApplyRoom(() => 0);
  room.kept(3);
  for (let n = 0; n < 50; n++) room.kept(200);
  for (let lot = 0; lot < 30; lot++) {
    for (let n = 0; n < 10; n++) room.kept(3);
    for (let n = 0; n < 10; n++) (await room.enter('A'))();
  }
  // Enough for sixteen when nothing comes meanwhile.
  expect(await insideOf(room)).toBeLessThan(8);
});
