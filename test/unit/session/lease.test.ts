import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type HoldOptions, holdLease } from '../../../src/session/lease.ts';
import type { LogHead } from '../../../src/session/log.ts';

const lease = { workspace_id: 'wrkspc_default', session_id: 'sesn_1', token: 3, holder: 'wkr_1' };
const head: LogHead = { seq: 7, status: 'running', stop_reason: null, owed: true, lease_token: 3 };
const TTL = 3000;

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

const never = new AbortController().signal;

type Renew = () => Promise<LogHead | null>;

function hold(renew: Renew, options?: HoldOptions<LogHead>) {
  const renewals = vi.fn(renew);
  return { renewals, held: holdLease({ renew: renewals }, lease, TTL, options) };
}

describe('a held lease', () => {
  it('is renewed three times per term, and tells where the log stands', async () => {
    const heads: LogHead[] = [];
    const { renewals, held } = hold(async () => head, { onHead: (one) => void heads.push(one) });
    await vi.advanceTimersByTimeAsync(2 * TTL + 1);
    expect(renewals).toHaveBeenCalledTimes(6);
    expect(renewals).toHaveBeenLastCalledWith(lease, TTL);
    expect(heads).toHaveLength(6);
    expect(held.signal.aborted).toBe(false);
    held[Symbol.dispose]();
  });

  it('is not held any more by a process that slept through its end, before any timer says so', async () => {
    let slept = 0;
    const { held } = hold(async () => head, { now: () => performance.now() + slept });
    await vi.advanceTimersByTimeAsync(TTL / 2);
    expect(held.isHeld()).toBe(true);
    // The clock goes on, the timers do not: as after a SIGSTOP.
    slept = TTL;
    expect(held.isHeld()).toBe(false);
    expect(held.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is lost when somebody else has it', async () => {
    const { renewals, held } = hold(async () => null);
    await vi.advanceTimersByTimeAsync(TTL / 3);
    expect(held.signal.aborted).toBe(true);
    await vi.advanceTimersByTimeAsync(5 * TTL);
    expect(renewals).toHaveBeenCalledTimes(1);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('survives a renewal that fails, because the next one comes in time', async () => {
    let failures = 1;
    const { held } = hold(async () => {
      if (failures-- > 0) throw new Error('the database is away');
      return head;
    });
    await vi.advanceTimersByTimeAsync(4 * TTL);
    expect(held.signal.aborted).toBe(false);
    held[Symbol.dispose]();
  });

  it('survives a database that is away for nearly its whole term', async () => {
    let away = true;
    const { held } = hold(async () => {
      if (away) throw new Error('the database is away');
      return head;
    });
    await vi.advanceTimersByTimeAsync(0.9 * TTL);
    away = false;
    await vi.advanceTimersByTimeAsync(3 * TTL);
    expect(held.signal.aborted).toBe(false);
    held[Symbol.dispose]();
  });

  it('is lost when its process slept through its term', async () => {
    let slept = 0;
    const { renewals, held } = hold(async () => head, { now: () => performance.now() + slept });
    slept = 2 * TTL;
    await vi.advanceTimersByTimeAsync(TTL / 3);
    expect(held.signal.aborted).toBe(true);
    expect(renewals).not.toHaveBeenCalled();
  });

  it('is lost when renewals fail for its whole term', async () => {
    const { held } = hold(() => Promise.reject(new Error('the database is away')));
    await vi.advanceTimersByTimeAsync(TTL - 1);
    expect(held.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(held.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is lost when a renewal hangs, and is not asked for twice meanwhile', async () => {
    const { renewals, held } = hold(() => new Promise(() => undefined));
    await vi.advanceTimersByTimeAsync(TTL);
    expect(renewals).toHaveBeenCalledTimes(1);
    expect(held.signal.aborted).toBe(true);
  });

  it('is renewed in time although each answer is long on its way', async () => {
    const slow = () => new Promise<LogHead>((resolve) => setTimeout(() => resolve(head), 0.45 * TTL));
    const { held } = hold(slow);
    for (let tenths = 0; tenths < 50; tenths++) {
      await vi.advanceTimersByTimeAsync(TTL / 10);
      expect(held.isHeld()).toBe(true);
    }
    held[Symbol.dispose]();
  });

  it('runs from when it was asked for, not from when that was heard', async () => {
    const { held } = hold(() => new Promise(() => undefined), { since: performance.now() - 0.7 * TTL });
    await vi.advanceTimersByTimeAsync(0.3 * TTL);
    expect(held.signal.aborted).toBe(true);
  });

  it('is no longer renewed when its holder is done', async () => {
    const { renewals, held } = hold(async () => head);
    held[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(5 * TTL);
    expect(renewals).not.toHaveBeenCalled();
    expect(held.signal.aborted).toBe(false);
  });
});

describe('a lease in doubt, of a process that is late with everything', () => {
  const mayWait = () => true;

  /** Renewals whose answers come when the test says so. */
  function slowly() {
    const answers: Array<(head: LogHead | null) => void> = [];
    const failures: Array<(error: Error) => void> = [];
    const renew = () =>
      new Promise<LogHead | null>((resolve, reject) => {
        answers.push(resolve);
        failures.push(reject);
      });
    return { answers, failures, renew };
  }

  it('is neither held nor lost until the answer comes, and held again when nobody else took it', async () => {
    const { answers, renew } = slowly();
    const { held } = hold(renew, { mayWait });
    await vi.advanceTimersByTimeAsync(1.4 * TTL);
    expect(held.isHeld()).toBe(false);
    expect(held.signal.aborted).toBe(false);
    let settled = false;
    void held.settled(never).then(() => {
      settled = true;
    });
    // Its answer is older than a term: it tells only that nobody else had it.
    answers[0]?.(head);
    await vi.advanceTimersByTimeAsync(0.3 * TTL);
    expect([answers.length, held.isHeld(), settled]).toEqual([2, false, false]);
    answers[1]?.(head);
    await vi.advanceTimersByTimeAsync(0);
    expect([held.isHeld(), settled, held.signal.aborted]).toEqual([true, true, false]);
    await held.settled(never);
    held[Symbol.dispose]();
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is lost when somebody else has it', async () => {
    const { answers, renew } = slowly();
    const { held } = hold(renew, { mayWait });
    await vi.advanceTimersByTimeAsync(1.2 * TTL);
    const settled = held.settled(never);
    answers[0]?.(null);
    await settled;
    expect(held.signal.aborted).toBe(true);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('is lost when the database cannot say', async () => {
    const { failures, renew } = slowly();
    const { held } = hold(renew, { mayWait });
    await vi.advanceTimersByTimeAsync(1.2 * TTL);
    failures[0]?.(new Error('the database is away'));
    await held.settled(never);
    expect(held.signal.aborted).toBe(true);
  });

  it('is lost after another term without an answer', async () => {
    const { renew } = slowly();
    const { held } = hold(renew, { mayWait });
    await vi.advanceTimersByTimeAsync(2 * TTL - 1);
    expect(held.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(held.signal.aborted).toBe(true);
  });

  it('is lost at its end when renewals fail: then nothing is under way that could tell', async () => {
    const { held } = hold(() => Promise.reject(new Error('the database is away')), { mayWait });
    await vi.advanceTimersByTimeAsync(TTL);
    expect(held.signal.aborted).toBe(true);
  });

  it.each([
    ['had run out when it was heard of', TTL],
    ['was about to run out then', TTL - 6],
  ])('is asked for when it %s', async (_when, ago) => {
    const { renewals, held } = hold(async () => head, { mayWait, since: performance.now() - ago });
    await vi.advanceTimersByTimeAsync(10);
    expect(renewals).toHaveBeenCalledTimes(1);
    expect([held.isHeld(), held.signal.aborted]).toEqual([true, false]);
    held[Symbol.dispose]();
  });

  it('is asked for again when an answer leaves next to nothing of its term', async () => {
    let takes = TTL - 6;
    const { renewals, held } = hold(() => new Promise((resolve) => setTimeout(() => resolve(head), takes)), {
      mayWait,
    });
    await vi.advanceTimersByTimeAsync(TTL / 3 + takes);
    takes = 0;
    await vi.advanceTimersByTimeAsync(10);
    expect(renewals).toHaveBeenCalledTimes(2);
    expect([held.isHeld(), held.signal.aborted]).toEqual([true, false]);
    held[Symbol.dispose]();
  });

  it('does not begin before its time is over, however early a timer is', async () => {
    let behind = 0;
    const { renew } = slowly();
    const { held } = hold(renew, { mayWait, now: () => performance.now() - behind });
    behind = 1;
    await vi.advanceTimersByTimeAsync(TTL);
    expect(held.isHeld()).toBe(true);
    await vi.advanceTimersByTimeAsync(TTL);
    expect(held.signal.aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(held.signal.aborted).toBe(true);
  });

  it('is waited for no longer than somebody wants to', async () => {
    const { renew } = slowly();
    const { held } = hold(renew, { mayWait });
    await vi.advanceTimersByTimeAsync(1.4 * TTL);
    const stop = new AbortController();
    const settled = held.settled(stop.signal);
    stop.abort();
    await settled;
    expect(held.signal.aborted).toBe(false);
    held[Symbol.dispose]();
  });

  it('is asked for once more by a process that slept through its term', async () => {
    let slept = 0;
    const { renewals, held } = hold(async () => head, { mayWait, now: () => performance.now() + slept });
    slept = 2 * TTL;
    expect(held.isHeld()).toBe(false);
    await vi.advanceTimersByTimeAsync(TTL / 3);
    expect(renewals).toHaveBeenCalledTimes(1);
    expect([held.isHeld(), held.signal.aborted]).toEqual([true, false]);
    held[Symbol.dispose]();
  });
});
