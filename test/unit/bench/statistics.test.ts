import fc from 'fast-check';
import { expect, test } from 'vitest';
import { median, percentile, rounded, slope } from '../../../bench/statistics.ts';
import { cases } from '../../support/cases.ts';

test('a percentile is the nearest rank', () => {
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  expect(percentile(hundred, 0.5)).toBe(50);
  expect(percentile(hundred, 0.99)).toBe(99);
  expect(percentile(hundred, 1)).toBe(100);
  expect(percentile([7], 0.99)).toBe(7);
  expect(percentile([], 0.5)).toBeNaN();
});

test('the median of an even number is the mean of the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('neither changes the order of what it is given', () => {
  const values = [3, 1, 2];
  median(values);
  percentile(values, 0.5);
  expect(values).toEqual([3, 1, 2]);
});

test('the slope of a line is the line’s', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1000, max: 1000 }), fc.integer({ min: -1000, max: 1000 }), (gain, start) => {
      const points = [0, 1, 2, 5, 9].map((x) => ({ x, y: start + gain * x }));
      expect(slope(points)).toBeCloseTo(gain, 6);
    }),
    cases(),
  );
  expect(slope([{ x: 1, y: 1 }])).toBeNaN();
});

test('figures have three digits, or all of a larger whole part', () => {
  expect([0.123456, 12.3456, 123.456, 12345.6, 0].map(rounded)).toEqual([0.123, 12.3, 123, 12346, 0]);
});
