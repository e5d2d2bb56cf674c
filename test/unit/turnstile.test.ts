import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createTurnstile } from '../../src/harness/turnstile.ts';

test('who comes alone does not wait', async () => {
  const turnstile = createTurnstile(1);
  for (let nth = 0; nth < 3; nth += 1) {
    let isThrough = false;
    void turnstile.pass().then(() => {
      isThrough = true;
    });
    // No turn of the loop: only what was promised already.
    await Promise.resolve();
    expect(isThrough).toBe(true);
    await nextTurn();
  }
});

test('of many, so many pass in each turn of the loop, in order, and whoever comes later comes last', async () => {
  const turnstile = createTurnstile(3);
  const through: number[] = [];
  const pass = (nth: number) => void turnstile.pass().then(() => through.push(nth));
  for (let nth = 0; nth < 7; nth += 1) pass(nth);
  await Promise.resolve();
  expect(through).toEqual([0, 1, 2]);
  await nextTurn();
  expect(through).toEqual([0, 1, 2, 3, 4, 5]);
  pass(7);
  pass(8);
  pass(9);
  await nextTurn();
  expect(through).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  await nextTurn();
  expect(through).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  await nextTurn();
  pass(10);
  await Promise.resolve();
  expect(through.at(-1)).toBe(10);
});
