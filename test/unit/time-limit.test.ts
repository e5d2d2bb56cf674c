import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { timeLimit } from '../../src/session/any-signal.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

it('aborts when its time has come, and says so', () => {
  const { signal } = timeLimit(1_000);
  vi.advanceTimersByTime(999);
  expect(signal.aborted).toBe(false);
  vi.advanceTimersByTime(1);
  expect([signal.aborted, signal.reason.name]).toEqual([true, 'TimeoutError']);
});

it('aborts with the first of its sources, for the same reason', () => {
  const source = new AbortController();
  const { signal } = timeLimit(1_000, [source.signal]);
  source.abort('because');
  vi.advanceTimersByTime(1_000);
  expect(signal.reason).toBe('because');
});

it('leaves no timer behind, and nothing in a source', () => {
  const { signal } = new AbortController();
  const limit = timeLimit(1_000, [signal]);
  limit[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  expect(limit.signal.aborted).toBe(false);
});
