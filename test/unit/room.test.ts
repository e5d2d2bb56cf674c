import { expect, test } from 'vitest';
import { createRoom } from '../../src/chat/room.ts';

test('lets in what fits, and the others in their order', async () => {
  const room = createRoom('things', 10);
  const order: string[] = [];
  const first = await room.enter(6);
  const heavy = room.enter(8).then((leave) => (order.push('heavy'), leave));
  // It would fit, and has to wait for its turn all the same.
  const light = room.enter(1).then((leave) => (order.push('light'), leave));
  await Promise.resolve();
  expect(order).toEqual([]);
  first();
  (await heavy)();
  (await light)();
  expect(order).toEqual(['heavy', 'light']);
});

test('lets what is heavier than the room in alone', async () => {
  const room = createRoom('things', 10);
  const leave = await room.enter(100);
  let entered = false;
  const next = room.enter(1).then((out) => {
    entered = true;
    return out;
  });
  await Promise.resolve();
  expect(entered).toBe(false);
  leave();
  (await next)();
  expect(entered).toBe(true);
});

test('refuses what comes when as much waits as may', async () => {
  const room = createRoom('things', 1, 5);
  const leave = await room.enter();
  const waiting = room.enter(5);
  await expect(room.enter()).rejects.toThrow('too many things');
  leave();
  (await waiting)();
  (await room.enter())();
});

test('is left once by each', async () => {
  const room = createRoom('things', 1, 5);
  const leave = await room.enter();
  leave();
  leave();
  await room.enter();
  let entered = false;
  void room.enter().then(() => {
    entered = true;
  });
  await Promise.resolve();
  expect(entered).toBe(false);
});
