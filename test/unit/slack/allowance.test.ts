import { expect, test } from 'vitest';
import { createAllowance } from '../../../connectors/slack/allowance.ts';

test('a minute’s calls may come at once, and more come back with time', () => {
  let now = 0;
  const allowance = createAllowance(50, () => now);
  const taken = (tries: number) => Array.from({ length: tries }, () => allowance.take('T1')).filter(Boolean).length;
  expect(taken(60)).toBe(50);
  now += 6_000;
  expect(taken(60)).toBe(5);
  now += 3_600_000;
  expect(taken(60)).toBe(50);
});

test('workspaces share nothing', () => {
  const allowance = createAllowance(1, () => 0);
  expect([allowance.take('T1'), allowance.take('T1'), allowance.take('T2')]).toEqual([true, false, true]);
});
