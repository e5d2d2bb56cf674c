import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLiveText } from '../../../connectors/web/live-text.ts';

beforeEach(() => {
  vi.useFakeTimers();
});

afterEach(() => {
  vi.useRealTimers();
});

function scene() {
  const stored: string[] = [];
  const deltas: [number, string][] = [];
  const errors: unknown[] = [];
  let failing = false;
  const live = createLiveText({
    async store(_ref, _conversation, markdown) {
      if (failing) throw new Error('The database is away');
      stored.push(markdown);
    },
    publish: (_ref, _conversation, from, text) => deltas.push([from, text]),
    onError: (error) => errors.push(error),
  });
  const update = (markdown: string) => live.update('msg_1', 'conv_1', markdown);
  return { live, update, stored, deltas, errors, fail: (now: boolean) => (failing = now) };
}

describe('a live text', () => {
  it('is stored at first, then handed on piece by piece, and stored again when enough time has passed', async () => {
    const { update, stored, deltas } = scene();
    await update('One');
    await update('One two');
    await update('One two three');
    expect(stored).toEqual(['One']);
    expect(deltas).toEqual([
      [3, ' two'],
      [7, ' three'],
    ]);
    vi.setSystemTime(Date.now() + 1_000);
    await update('One two three four');
    expect(stored).toEqual(['One', 'One two three four']);
  });

  it('is stored when the edits pause', async () => {
    const { update, stored } = scene();
    await update('One');
    await update('One two');
    await vi.advanceTimersByTimeAsync(1_000);
    expect(stored).toEqual(['One', 'One two']);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(stored).toHaveLength(2);
  });

  it('is stored whole when it does not continue what was shown', async () => {
    const { update, stored, deltas } = scene();
    await update('The answer is 41');
    await update('It is 42');
    expect(stored).toEqual(['The answer is 41', 'It is 42']);
    expect(deltas).toEqual([]);
  });

  it('is left alone once it ended', async () => {
    const { live, update, stored } = scene();
    await update('One');
    await update('One two');
    await live.end('msg_1');
    await vi.advanceTimersByTimeAsync(10_000);
    expect(stored).toEqual(['One']);
  });

  it('is stored by a flush, once', async () => {
    const { live, update, stored } = scene();
    await update('One');
    await update('One two');
    await live.flush();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(stored).toEqual(['One', 'One two']);
  });

  it('that could not be stored is stored by the next edit', async () => {
    const { update, stored, errors, fail } = scene();
    await update('One');
    await update('One two');
    fail(true);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(errors).toHaveLength(1);
    fail(false);
    await update('One two three');
    expect(stored).toEqual(['One', 'One two three']);
  });
});
