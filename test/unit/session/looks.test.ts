import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../src/logger.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { createLooks, type Looks } from '../../../src/session/looks.ts';

const EVERY_MS = 2_000;

let standing: Map<string, number>;
let failing: boolean;
/** What was asked for together. */
let asked: string[][];
let looks: Looks;

const log = {
  async standing(refs: readonly SessionRef[]) {
    asked.push(refs.map(({ session_id }) => session_id));
    if (failing) throw new Error('the database is away');
    return new Map(refs.flatMap(({ session_id }) => [...standing].filter(([id]) => id === session_id)));
  },
};

function watch(session_id: string, seq: number) {
  const heard: string[] = [];
  const watcher = { seq: () => seq, behind: () => void heard.push('behind'), gone: () => void heard.push('gone') };
  const end = looks.watch({ workspace_id: 'wrkspc_1', session_id }, watcher);
  return { heard, end };
}

beforeEach(() => {
  vi.useFakeTimers();
  standing = new Map();
  failing = false;
  asked = [];
  looks = createLooks(log, silentLogger, EVERY_MS);
});

afterEach(() => {
  looks[Symbol.dispose]();
  vi.useRealTimers();
});

describe('a look at the logs', () => {
  it('tells those that are behind, and those whose session is gone', async () => {
    standing = new Map([
      ['a', 3],
      ['b', 3],
    ]);
    const [a, b, c] = [watch('a', 3), watch('b', 2), watch('c', 1)];
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    expect([a.heard, b.heard, c.heard]).toEqual([[], ['behind'], ['gone']]);
  });

  it('is one for all that are watched, at most 500 at a time', async () => {
    for (let n = 0; n < 1_001; n++) watch(`s${n}`, 0);
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    expect(asked.map((some) => some.length)).toEqual([500, 500, 1]);
  });

  it('is not taken when nobody watches any more, and is again when somebody does', async () => {
    const { end, heard } = watch('a', 0);
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    end();
    await vi.advanceTimersByTimeAsync(10 * EVERY_MS);
    expect(asked).toHaveLength(1);
    expect(heard).toEqual(['gone']);
    watch('b', 0);
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    expect(asked).toEqual([['a'], ['b']]);
  });

  it('tells nobody who left while it was under way', async () => {
    const { end, heard } = watch('a', 0);
    vi.advanceTimersByTime(EVERY_MS);
    end();
    await vi.advanceTimersByTimeAsync(0);
    expect([asked.length, heard]).toEqual([1, []]);
  });

  it('is taken again after one that failed', async () => {
    standing = new Map([['a', 1]]);
    failing = true;
    const { heard } = watch('a', 0);
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    failing = false;
    expect(heard).toEqual([]);
    await vi.advanceTimersByTimeAsync(EVERY_MS);
    expect(heard).toEqual(['behind']);
  });
});
