import { expect, it } from 'vitest';
import { createTurnsHere } from '../../src/harness/turns-here.ts';

it('knows the sessions of this process until the last turn of each has ended', () => {
  const here = createTurnsHere();
  const [first, second] = [here.enter('sesn_1'), here.enter('sesn_1')];
  expect([here.has('sesn_1'), here.has('sesn_2')]).toEqual([true, false]);
  first[Symbol.dispose]();
  expect(here.has('sesn_1')).toBe(true);
  second[Symbol.dispose]();
  expect(here.has('sesn_1')).toBe(false);
});

it('takes the end of a turn once, however often it is said', () => {
  const here = createTurnsHere();
  const lost = here.enter('sesn_1');
  lost[Symbol.dispose]();
  here.enter('sesn_1');
  lost[Symbol.dispose]();
  expect(here.has('sesn_1')).toBe(true);
});
