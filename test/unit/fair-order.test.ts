import { beforeEach, describe, expect, it } from 'vitest';
import { createFairOrder, type FairOrder } from '../../src/queue/fair-order.ts';

let now: number;
let order: FairOrder;

beforeEach(() => {
  now = Date.parse('2026-11-20T12:00:00Z');
  order = createFairOrder(() => now);
});

function flood(lane: string, count: number): number[] {
  return Array.from({ length: count }, () => order.next(lane));
}

describe('the fair order of wakes', () => {
  it('puts a quiet lane before all but the first of a flood', () => {
    const flooded = flood('a', 2_000);
    now += 5_000;
    const quiet = order.next('b');
    expect(flooded.filter((place) => place <= quiet)).toHaveLength(6);
  });

  it('keeps the order of one lane', () => {
    const flooded = flood('a', 2_000);
    expect(flooded).toEqual([...flooded].sort((x, y) => x - y));
  });

  it('lets two floods take turns', () => {
    const a = flood('a', 100);
    const b = flood('b', 100);
    expect(b).toEqual(a);
  });

  it('passes nobody for longer than ten minutes', () => {
    const last = flood('a', 5_000).at(-1) ?? 0;
    now += 600_000;
    expect(order.next('b')).toBeGreaterThanOrEqual(last);
  });

  it('holds nothing against a lane that asks about once a second', () => {
    for (let i = 0; i < 1_000; i++) {
      now += 1_000;
      expect(order.next('a')).toBe(order.again(0));
    }
  });

  it('does not count a wake that is made again', () => {
    for (let nth = 0; nth < 1_000; nth++) order.again(nth);
    expect(order.next('a')).toBe(order.again(0));
    expect(order.again(999)).toBeGreaterThan(order.again(1));
  });

  it('gives numbers that BullMQ takes, whatever the year', () => {
    for (let year = 2026; year < 2126; year++) {
      now = Date.parse(`${year}-07-01T00:00:00Z`);
      for (const place of [order.next('a'), order.again(2_000)]) {
        expect(Number.isInteger(place)).toBe(true);
        expect(place).toBeGreaterThanOrEqual(1);
        expect(place).toBeLessThanOrEqual(2_097_152);
      }
    }
  });
});
