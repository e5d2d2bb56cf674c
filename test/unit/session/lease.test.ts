import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { holdLease } from '../../../src/session/lease.ts';
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

type Renew = () => Promise<LogHead | null>;

function hold(renew: Renew, onHead?: (head: LogHead) => void, now?: () => number) {
  const renewals = vi.fn(renew);
  return { renewals, held: holdLease({ renew: renewals }, lease, TTL, onHead, now) };
}

describe('a held lease', () => {
  it('is renewed three times per term, and tells where the log stands', async () => {
    const heads: LogHead[] = [];
    const { renewals, held } = hold(
      async () => head,
      (one) => heads.push(one),
    );
    await vi.advanceTimersByTimeAsync(2 * TTL + 1);
    expect(renewals).toHaveBeenCalledTimes(6);
    expect(renewals).toHaveBeenLastCalledWith(lease, TTL);
    expect(heads).toHaveLength(6);
    expect(held.signal.aborted).toBe(false);
    held[Symbol.dispose]();
  });

  it('is not held any more by a process that slept through its end, before any timer says so', async () => {
    let slept = 0;
    const { held } = hold(
      async () => head,
      undefined,
      () => performance.now() + slept,
    );
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
    const { renewals, held } = hold(
      async () => head,
      undefined,
      () => performance.now() + slept,
    );
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

  it('is no longer renewed when its holder is done', async () => {
    const { renewals, held } = hold(async () => head);
    held[Symbol.dispose]();
    await vi.advanceTimersByTimeAsync(5 * TTL);
    expect(renewals).not.toHaveBeenCalled();
    expect(held.signal.aborted).toBe(false);
  });
});
