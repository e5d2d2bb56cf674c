import { getEventListeners } from 'node:events';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { anySignal, timeLimit } from '../../src/signals.ts';

describe('any signal', () => {
  it('aborts with the first of its sources, and for the same reason', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const { signal } = anySignal([one.signal, other.signal]);
    expect(signal.aborted).toBe(false);
    other.abort('because');
    one.abort('too late');
    expect([signal.aborted, signal.reason]).toEqual([true, 'because']);
  });

  it('has aborted when one of them has', () => {
    expect(anySignal([AbortSignal.abort('long ago'), new AbortController().signal]).signal.reason).toBe('long ago');
  });

  it('leaves nothing behind in a source that outlives it', () => {
    const { signal } = new AbortController();
    for (let i = 0; i < 3; i++) anySignal([signal])[Symbol.dispose]();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });
});

describe('a time limit', () => {
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
});
