import { getEventListeners } from 'node:events';
import { expect, it } from 'vitest';
import { anySignal } from '../../src/session/any-signal.ts';

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
