import { beforeEach, describe, expect, it } from 'vitest';
import { RateLimitedError } from '../../src/chat/connector.ts';
import { createPace, type Pace, type Place } from '../../src/chat/pace.ts';
import { deferred } from '../support/deferred.ts';

const ops: Place = { name: 'ops', interval_ms: 1_000 };
const dev: Place = { name: 'dev', interval_ms: 1_000 };

let now: number;
let sleepers: Array<{ until: number; wake: () => void }>;
let told: Array<[string, number]>;
let pace: Pace;
/** What was called, and when. */
let calls: string[];
/** Of somebody who never leaves. */
const patient = () => new AbortController().signal;

beforeEach(() => {
  now = 0;
  sleepers = [];
  told = [];
  calls = [];
  pace = createPace({
    now: () => now,
    sleep: (ms, stop) =>
      new Promise((resolve, reject) => {
        sleepers.push({ until: now + ms, wake: resolve });
        stop.addEventListener('abort', () => reject(stop.reason));
      }),
    onLimited: (name, wait_ms) => told.push([name, wait_ms]),
  });
});

const settled = () => new Promise((resolve) => setImmediate(resolve));

/** Whoever waits is woken when it is time. */
async function passes(ms: number): Promise<void> {
  now += ms;
  for (const one of sleepers.splice(0)) {
    if (one.until <= now) one.wake();
    else sleepers.push(one);
  }
  await settled();
}

/** A call that is refused as often as this says, with these waits. */
function post(name: string, place: Place, ...refusals: number[]): Promise<string> {
  return pace.run(
    place,
    async () => {
      calls.push(`${name}@${now}`);
      const wait = refusals.shift();
      if (wait !== undefined) throw new RateLimitedError(wait);
      return name;
    },
    patient(),
  );
}

describe('a place that was called too often', () => {
  it('is left alone for as long as the platform said, and then served in order, one by one', async () => {
    const first = post('a', ops, 5_000);
    await settled();
    const others = [post('b', ops), post('c', ops)];
    await passes(4_999);
    expect(calls).toEqual(['a@0']);
    for (let n = 0; n < 4; n++) await passes(1_002);
    expect(await Promise.all([first, ...others])).toEqual(['a', 'b', 'c']);
    expect(calls).toEqual(['a@0', 'a@6001', 'b@7003', 'c@8005']);
    expect(told).toEqual([['ops', 5_000]]);
  });

  it('keeps its order when it is refused again', async () => {
    const all = [post('a', ops, 1_000, 3_000)];
    await settled();
    all.push(post('b', ops));
    for (let n = 0; n < 10; n++) await passes(1_002);
    await Promise.all(all);
    expect(calls.map((call) => call.split('@')[0])).toEqual(['a', 'a', 'a', 'b']);
    expect(told).toEqual([
      ['ops', 1_000],
      ['ops', 3_000],
    ]);
  });

  it('holds up no other', async () => {
    void post('a', ops, 5_000);
    await settled();
    expect(await Promise.all([post('x', dev), post('y', dev)])).toEqual(['x', 'y']);
    expect(calls).toEqual(['a@0', 'x@0', 'y@0']);
  });

  it('is known from another gateway, and is not told of again', async () => {
    pace.hear('ops', 2_000);
    const mine = post('a', ops);
    await passes(1_999);
    expect(calls).toEqual([]);
    // What is heard meanwhile counts too.
    pace.hear('ops', 2_000);
    await passes(10);
    expect(calls).toEqual([]);
    await passes(2_000);
    expect(await mine).toBe('a');
    expect(told).toEqual([]);
  });

  it('is not waited for when that takes too long, and not called', async () => {
    await expect(post('a', ops, 31_000)).rejects.toMatchObject({ retry_after_ms: 31_000 });
    now += 500;
    await expect(post('b', ops)).rejects.toMatchObject({ retry_after_ms: 30_500 });
    expect(calls).toEqual(['a@0']);
  });

  it('has a queue of bounded length: who would wait too long makes room', async () => {
    void post('a', ops, 1_000);
    await settled();
    const outcomes = Array.from({ length: 40 }, (_, n) =>
      post(`q${n}`, ops).then(
        () => 'called',
        () => 'left',
      ),
    );
    for (let n = 0; n < 60; n++) await passes(1_002);
    const counted = (await Promise.all(outcomes)).filter((outcome) => outcome === 'called');
    expect(counted.length).toBeGreaterThan(20);
    expect(counted.length).toBeLessThan(31);
  });

  it('goes on without who no longer wants to', async () => {
    const gone = new AbortController();
    void post('a', ops, 1_000);
    await settled();
    const leaving = pace.run(ops, async () => calls.push('left'), gone.signal);
    const last = post('c', ops);
    gone.abort(new Error('gone'));
    await expect(leaving).rejects.toThrow('gone');
    for (let n = 0; n < 4; n++) await passes(1_002);
    expect(await last).toBe('c');
    expect(calls.map((call) => call.split('@')[0])).toEqual(['a', 'a', 'c']);
  });

  it('passes on what else goes wrong, and the next has its turn', async () => {
    pace.hear('ops', 1_000);
    const failing = pace.run(ops, () => Promise.reject(new Error('away')), patient());
    const next = post('b', ops);
    failing.catch(() => undefined);
    for (let n = 0; n < 4; n++) await passes(1_002);
    await expect(failing).rejects.toThrow('away');
    expect(await next).toBe('b');
  });

  it('is free again after a quiet minute', async () => {
    void post('a', ops, 1_000);
    await settled();
    await passes(1_001);
    await passes(60_000);
    const held = deferred<void>();
    void pace.run(ops, () => held.promise, patient());
    expect(await post('b', ops)).toBe('b');
    held.resolve();
  });
});
