import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createRoom, type Room } from '../../src/chat/room.ts';
import { stayIn } from '../../src/chat/stay.ts';
import { deferred } from '../support/deferred.ts';

const enter = (room: Room) => () => room.enter('channel');

/** Whoever enters next, and whether they are inside by now. */
function next(room: Room): { inside: boolean; left: Promise<void> } {
  const who = { inside: false, left: Promise.resolve() };
  who.left = stayIn(enter(room)).then((stay) => {
    who.inside = true;
    stay.leave();
  });
  return who;
}

test('a place is for another while its owner waits for something elsewhere', async () => {
  const room = createRoom('events', { size: 1 });
  const stay = await stayIn(enter(room));
  const other = next(room);
  const answer = deferred<string>();
  const waited = stay.outside(() => answer.promise);
  await other.left;
  answer.resolve('what was looked up');
  expect(await waited).toBe('what was looked up');
  // Inside again.
  const third = next(room);
  await nextTurn();
  expect(third.inside).toBe(false);
  stay.leave();
  await third.left;
});

test('what was looked up comes when there is room again, also when it failed', async () => {
  const room = createRoom('events', { size: 1 });
  const stay = await stayIn(enter(room));
  const answer = deferred<string>();
  const ended: string[] = [];
  const looked = stay.outside(async () => {
    await answer.promise;
    throw new Error('The platform is away');
  });
  const waited = looked.catch((error: Error) => ended.push(error.message));
  const other = await stayIn(enter(room));
  answer.resolve('');
  await nextTurn();
  expect(ended).toEqual([]);
  other.leave();
  await waited;
  expect(ended).toEqual(['The platform is away']);
});

test('what is refused at once keeps its place', async () => {
  const room = createRoom('events', { size: 1 });
  const stay = await stayIn(enter(room));
  const other = next(room);
  const refused = stay.outside(async () => {
    throw new Error('Too often');
  });
  await expect(refused).rejects.toThrow('Too often');
  await nextTurn();
  expect(other.inside).toBe(false);
  stay.leave();
  await other.left;
  expect(other.inside).toBe(true);
});
