import { expect, test } from 'vitest';
import { createEditTurns } from '../../src/chat/edit-turns.ts';

const slack = { connector: 'slack', tenant: 'T1' };
const limits = { edit_interval_ms: 1_200, live_edits_per_second: 5 };

test('one text alone waits for its interval only', () => {
  let now = 0;
  const turns = createEditTurns(() => now);
  expect(turns.take(slack, limits)).toBe(1_200);
  now = 1_200;
  expect(turns.take(slack, limits)).toBe(1_200);
});

test('many at once share what their workspace takes, each in its turn', () => {
  const turns = createEditTurns(() => 0);
  const waits = Array.from({ length: 50 }, () => turns.take(slack, limits));
  expect(waits).toEqual(Array.from({ length: 50 }, (_, n) => 1_200 + n * 200));
});

test('another workspace is not held up', () => {
  const turns = createEditTurns(() => 0);
  for (let n = 0; n < 50; n++) turns.take(slack, limits);
  expect(turns.take({ ...slack, tenant: 'T2' }, limits)).toBe(1_200);
});

test('a platform without such a limit gives everybody their interval', () => {
  const turns = createEditTurns(() => 0);
  for (let n = 0; n < 50; n++) expect(turns.take(slack, { edit_interval_ms: 100 })).toBe(100);
});
