import { expect, it } from 'vitest';
import { createTurnsHere } from '../../src/harness/turns-here.ts';

it('tells a turn whether another of its session is under way here', () => {
  const here = createTurnsHere();
  const first = here.enter('sesn_1');
  const second = here.enter('sesn_1');
  expect([first.isFirst, second.isFirst, here.enter('sesn_2').isFirst]).toEqual([true, false, true]);
  first[Symbol.dispose]();
  expect(here.enter('sesn_1').isFirst).toBe(false);
});

it('forgets a session with its last turn', () => {
  const here = createTurnsHere();
  for (const turn of [here.enter('sesn_1'), here.enter('sesn_1')]) turn[Symbol.dispose]();
  expect(here.enter('sesn_1').isFirst).toBe(true);
});
