import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createLive } from '../../src/chat/live.ts';
import { createPreview } from '../../src/harness/preview.ts';
import { silentLogger } from '../../src/logger.ts';
import { type PreviewEvent, parseSessionHint, sessionChannel } from '../../src/session/hints.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** A turn that previews, and what is heard of it by so many watchers. */
function watched(watchers = { count: 1 }, isSure = () => true, jitter = () => 1) {
  const heard: PreviewEvent[] = [];
  const publish = async (_channel: string, message: string) => {
    const hint = parseSessionHint(message);
    if (hint?.type === 'preview') heard.push(hint.event);
    return watchers.count;
  };
  const lease = { session_id: 'sesn_1', token: 1 };
  const preview = createPreview({ hints: { publish }, logger: silentLogger, jitter }, lease, isSure);
  return { heard, preview };
}

test('who comes after the first words gets all of them, and what follows, once', () => {
  const { heard, preview } = watched();
  preview.text('sevt_1', 'one ', 0);
  preview.text('sevt_1', 'two ', 0);
  vi.advanceTimersByTime(100);
  const missed = heard.splice(0);
  expect(missed.map((event) => event.type)).toEqual(['event_start', 'event_delta']);

  const live = createLive();
  preview.text('sevt_1', 'three ', 0);
  vi.advanceTimersByTime(100);
  for (const event of heard.splice(0)) expect(live.accept(event)).toBe(false);
  vi.advanceTimersByTime(500);
  for (const event of heard.splice(0)) live.accept(event);
  expect(live.takeText()).toEqual({ message_id: 'sevt_1', text: 'one two three ' });

  preview.text('sevt_1', 'four', 0);
  vi.advanceTimersByTime(1000);
  for (const event of heard.splice(0)) live.accept(event);
  expect(live.takeText()?.text).toBe('one two three four');
});

test('a whole text that comes late does not bring a finished message back', () => {
  const live = createLive();
  const late: PreviewEvent = { type: 'event_so_far', event_id: 'sevt_1', blocks: ['one'] };
  live.settle('sevt_1');
  expect(live.accept(late)).toBe(false);
  expect(live.takeText()).toBe(null);
});

test('nothing is said after the request is over', () => {
  const { heard, preview } = watched();
  preview.text('sevt_1', 'one', 0);
  preview.written();
  const before = heard.length;
  vi.advanceTimersByTime(5000);
  expect(heard).toHaveLength(before);
  expect(vi.getTimerCount()).toBe(0);
});

test('a text that nobody hears is only said whole, now and then', async () => {
  const watchers = { count: 0 };
  const { heard, preview } = watched(watchers);
  for (let word = 0; word < 40; word++) {
    preview.text('sevt_1', `${word} `, 0);
    await vi.advanceTimersByTimeAsync(25);
  }
  expect(heard.map((event) => event.type)).toEqual(['event_start', 'event_delta', 'event_so_far', 'event_so_far']);
});

test('who comes while nobody else listens misses nothing from the first whole text on', async () => {
  const watchers = { count: 0 };
  const { heard, preview } = watched(watchers);
  preview.text('sevt_1', 'one ', 0);
  await vi.advanceTimersByTimeAsync(0);
  preview.text('sevt_1', 'two ', 0);
  await vi.advanceTimersByTimeAsync(400);
  watchers.count = 1;
  heard.splice(0);
  vi.advanceTimersByTime(100);
  // Written after the whole text was said, before it is known that somebody heard it.
  preview.text('sevt_1', 'three ', 0);
  await vi.advanceTimersByTimeAsync(0);
  preview.text('sevt_1', 'four', 0);
  await vi.advanceTimersByTimeAsync(200);
  const live = createLive();
  for (const event of heard) live.accept(event);
  expect(live.takeText()?.text).toBe('one two three four');
});

test('a long text is said whole the less often the longer it is', async () => {
  const { heard, preview } = watched({ count: 0 });
  preview.text('sevt_1', 'x'.repeat(256 * 1024), 0);
  await vi.advanceTimersByTimeAsync(500);
  heard.splice(0);
  await vi.advanceTimersByTimeAsync(12_000);
  expect(heard).toHaveLength(3);
});

test('no piece is sent while only those listen who look now and then', async () => {
  const heard: { channel: string; type: string }[] = [];
  const publish = async (channel: string, message: string) => {
    const hint = parseSessionHint(message);
    if (hint?.type === 'preview') heard.push({ channel, type: hint.event.type });
    return channel === sessionChannel('sesn_1') ? 1 : 0;
  };
  const lease = { session_id: 'sesn_1', token: 1 };
  const preview = createPreview({ hints: { publish }, logger: silentLogger, jitter: () => 1 }, lease);
  for (let word = 0; word < 80; word++) {
    preview.text('sevt_1', `${word} `, 0);
    await vi.advanceTimersByTimeAsync(25);
  }
  const sent = (type: string) => heard.filter((each) => each.type === type).length;
  expect(sent('event_so_far')).toBe(4);
  // One to see whether somebody follows by now, after each time the text was said whole.
  expect(sent('event_delta')).toBeLessThanOrEqual(5);
});

test('texts that begin together are not said whole together', async () => {
  const when: number[][] = [];
  for (const share of [0.5, 0.8]) {
    const { heard, preview } = watched(
      { count: 0 },
      () => true,
      () => share,
    );
    const began = Date.now();
    const times: number[] = [];
    preview.text('sevt_1', 'one', 0);
    while (Date.now() - began < 1_500) {
      await vi.advanceTimersByTimeAsync(50);
      if (heard.splice(0).some(({ type }) => type === 'event_so_far')) times.push(Date.now() - began);
    }
    when.push(times);
    preview.written();
  }
  expect(when).toEqual([
    [250, 750, 1_250],
    [400, 900, 1_400],
  ]);
});

test('nothing is shown while it is in doubt who has the session, and all of it as soon as it is held again', async () => {
  let sure = false;
  const { heard, preview } = watched({ count: 1 }, () => sure);
  preview.thinking('sevt_0');
  preview.text('sevt_1', 'one ', 0);
  await vi.advanceTimersByTimeAsync(2_000);
  expect(heard).toEqual([]);

  sure = true;
  const live = createLive();
  preview.text('sevt_1', 'two ', 0);
  expect(heard.map(({ type }) => type)).toEqual(['event_start', 'event_so_far']);
  preview.text('sevt_1', 'three ', 0);
  sure = false;
  // Gathered before, and not sent any more.
  await vi.advanceTimersByTimeAsync(2_000);
  expect(heard).toHaveLength(2);
  sure = true;
  await vi.advanceTimersByTimeAsync(2_000);
  for (const event of heard.splice(0)) live.accept(event);
  expect(live.takeText()?.text).toBe('one two three ');
});

test('what a tool prints is sent as it comes, and no more once its result is there to say it', () => {
  const { heard, preview } = watched();
  preview.toolOutput('sevt_1', 'one ');
  preview.toolOutput('sevt_1', 'two ');
  vi.advanceTimersByTime(100);
  expect(heard).toEqual([{ type: 'tool_output', tool_use_id: 'sevt_1', text: 'one two ' }]);
  preview.toolOutput('sevt_1', 'three');
  preview.toolsEnded();
  vi.advanceTimersByTime(1000);
  expect(heard).toHaveLength(1);
});
