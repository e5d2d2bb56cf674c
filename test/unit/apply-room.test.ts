import { expect, test } from 'vitest';
import { createApplyRoom } from '../../src/chat/apply-room.ts';

/** How many get in at once. */
async function insideOf(room: ReturnType<typeof createApplyRoom>): Promise<number> {
  const leaves: Array<() => void> = [];
  for (let n = 0; n < 30; n++) void room.enter().then((leave) => leaves.push(leave));
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

test('keeping that is slow takes their room, but for one', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 3; n++) room.kept(200);
  const fewer = await insideOf(room);
  expect(fewer).toBeLessThan(16);
  for (let n = 0; n < 100; n++) room.kept(200);
  expect(await insideOf(room)).toBe(1);
});

test('and it comes back', async () => {
  const room = createApplyRoom();
  for (let n = 0; n < 100; n++) room.kept(200);
  for (let n = 0; n < 100; n++) room.kept(3);
  const some = await insideOf(room);
  expect(some > 1 && some < 16).toBe(true);
  for (let n = 0; n < 1_000; n++) room.kept(3);
  expect(await insideOf(room)).toBe(16);
});
