import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { settledAt } from '../../src/chat/post.ts';

beforeEach(() => {
  vi.spyOn(performance, 'now').mockReturnValue(10_000);
});

afterEach(() => {
  vi.restoreAllMocks();
});

it('counts from the end of the lease of whoever was lost', () => {
  expect(settledAt(0, 1_500)).toBe(11_500);
  expect(settledAt(400, 1_500)).toBe(11_100);
});

it('waits for the whole time behind whoever gave the session back', () => {
  expect(settledAt(null, 1_500)).toBe(11_500);
});

it('waits in any case: whoever was stopped together goes on together', () => {
  expect(settledAt(60_000, 1_500)).toBe(10_500);
});
