import { expect, test } from 'vitest';
import { judge, type Measurement, type RowSpec } from '../../../bench/row.ts';
import { table } from '../../../bench/table.ts';

const spec: RowSpec = { unit: 'ms', better: 'lower', target: 10 };

function measurement(over: Partial<Measurement> = {}): Measurement {
  return { rounds: [9, 8, 30], singles: [7, 8, 9, 40], floors: [3, 2, 5], n: 4, errors: [], ...over };
}

test('a row is the median of its rounds, beside its floor', () => {
  expect(judge('turn.latency', spec, measurement())).toEqual({
    row: {
      name: 'turn.latency',
      unit: 'ms',
      value: 9,
      p99: 40,
      floor: 3,
      ratio: 3,
      target: 10,
      better: 'lower',
      ok: true,
      n: 4,
    },
    spread: { min: 8, max: 30 },
    floor_spread: { min: 2, max: 5 },
    errors: [],
  });
});

test('what there is not is null', () => {
  const { row } = judge('x', { ...spec, target: null }, { rounds: [1], n: 1, errors: [] });
  expect(row).toMatchObject({ p99: null, floor: null, ratio: null, target: null, ok: true });
});

test.each([
  ['lower', 10, true],
  ['lower', 10.1, false],
  ['higher', 10, true],
  ['higher', 9.9, false],
] as const)('better %s: %d keeps a target of 10: %s', (better, value, ok) => {
  expect(judge('x', { ...spec, better }, measurement({ rounds: [value] })).row.ok).toBe(ok);
});

test('any error makes a row not ok, with or without a target', () => {
  expect(judge('x', spec, measurement({ errors: ['wrong answer'] })).row.ok).toBe(false);
  expect(judge('x', { ...spec, target: null }, measurement({ errors: ['wrong answer'] })).row.ok).toBe(false);
});

test('what was not measured is not ok', () => {
  const judged = judge('x', { ...spec, target: null }, { rounds: [], n: 0, errors: [] });
  expect(judged.row).toMatchObject({ value: null, ok: false });
  expect(table([judged]).split('\n')[1]).toMatch(/^x +ms +0 +NOT OK$/);
});

test('the table shows a row per line, its spread, and what went wrong', () => {
  const good = judge('turn.latency', spec, measurement());
  const bad = judge(
    'turn.throughput',
    { unit: 'turns/s', better: 'higher', target: 250 },
    measurement({ errors: ['a', 'a', 'b'] }),
  );
  const lines = table([good, bad]).split('\n');
  expect(lines[1]).toMatch(/^turn\.latency +9 +ms +8\.\.30 +40 +3 +2\.\.5 +3 x +<= 10 +4 +ok$/);
  expect(lines[2]).toMatch(/^turn\.throughput +9 +turns\/s .* >= 250 +4 +NOT OK$/);
  expect(lines.slice(3)).toEqual(['', 'turn.throughput: 3 errors, such as', '  a', '  b']);
  const both = table([bad, { ...bad, row: { ...bad.row, name: 'turn.cpu-load' } }]);
  expect(both).toMatch(/\n\nturn\.throughput, turn\.cpu-load: 3 errors, such as\n {2}a\n {2}b$/);
});
