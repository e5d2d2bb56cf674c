import { expect, it, vi } from 'vitest';
import { createInterruptBell } from '../../src/harness/interrupt-bell.ts';
import { workerChannel } from '../../src/session/hints.ts';
import { eventually } from '../support/eventually.ts';
import { createMemoryHints } from '../support/memory-hints.ts';

it('rings for the session it was rung for, and no longer than somebody listens', () => {
  const bell = createInterruptBell();
  const [one, other] = [vi.fn(), vi.fn()];
  {
    using listening = bell.listen('sesn_1');
    using elsewhere = bell.listen('sesn_2');
    listening.onInterrupt(one);
    elsewhere.onInterrupt(other);
    bell.ring('sesn_1');
  }
  bell.ring('sesn_1');
  expect(one).toHaveBeenCalledTimes(1);
  expect(other).not.toHaveBeenCalled();
});

it('tells a listener of what rang before it was ready', () => {
  const bell = createInterruptBell();
  const look = vi.fn();
  using listening = bell.listen('sesn_1');
  bell.ring('sesn_1');
  listening.onInterrupt(look);
  expect(look).toHaveBeenCalledTimes(1);
});

it('is rung by the hints for its worker only', async () => {
  const hints = createMemoryHints();
  const bell = createInterruptBell();
  await bell.hear(hints, 'wkr_1');
  const look = vi.fn();
  using listening = bell.listen('sesn_1');
  listening.onInterrupt(look);
  await hints.publish(workerChannel('wkr_2'), 'sesn_1');
  await hints.publish(workerChannel('wkr_1'), 'sesn_2');
  await hints.publish(workerChannel('wkr_1'), 'sesn_1');
  await eventually(() => expect(look).toHaveBeenCalledTimes(1));
});
