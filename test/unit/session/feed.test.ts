import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NotFoundError } from '../../../src/errors.ts';
import { silentLogger } from '../../../src/logger.ts';
import type { LogEntry } from '../../../src/session/event.ts';
import { createSessionFeeds, type SessionFeeds } from '../../../src/session/feed.ts';
import { appendedHint, type Hints, type SessionHint, sessionChannel } from '../../../src/session/hints.ts';
import { newId } from '../../../src/session/id.ts';
import type { LogHead } from '../../../src/session/log.ts';
import type { LogPage } from '../../../src/session/log-page.ts';
import { note } from '../../support/entries.ts';
import { eventually } from '../../support/eventually.ts';
import { brokenHints, createMemoryHints } from '../../support/memory-hints.ts';

const ref = { workspace_id: 'wrkspc_default', session_id: 'sesn_1' };
/** So long that a test that relies on a hint would fail without it. */
const NEVER = 600_000;

let entries: LogEntry[];
let gone: boolean;
let failing: boolean;
let reads: number;
let looks: number;
let hints: Hints;
let feeds: SessionFeeds;

const log = {
  async head(): Promise<LogHead> {
    if (gone) throw new NotFoundError('Session', ref.session_id);
    return { seq: entries.length, status: 'idle', stop_reason: null, owed: false, lease_token: 0 };
  },
  async standing(): Promise<Map<string, number>> {
    looks += 1;
    if (failing) throw new Error('the database is away');
    return new Map(gone ? [] : [[ref.session_id, entries.length]]);
  },
  async readPage(_ref: object, after: number, limit: number): Promise<LogPage> {
    reads += 1;
    if (gone) throw new NotFoundError('Session', ref.session_id);
    if (failing) throw new Error('the database is away');
    const page = entries.slice(after, after + limit);
    return { entries: page, more: after + page.length < entries.length };
  },
};

function start(poll_ms: number, over: Hints = hints): SessionFeeds {
  feeds = createSessionFeeds({ log, hints: over, logger: silentLogger }, poll_ms);
  return feeds;
}

function write(count: number): void {
  for (let i = 0; i < count; i++) entries.push({ seq: entries.length + 1, created_at: new Date(0), ...note('n') });
}

const publish = (hint: SessionHint) => hints.publish(sessionChannel(ref.session_id), JSON.stringify(hint));
const announce = () => publish({ type: 'appended', seq: entries.length });

function reader() {
  const seen: Array<number | string> = [];
  return {
    seen,
    onEntries: (some: readonly LogEntry[]) => void seen.push(...some.map((entry) => entry.seq)),
    onPreview: () => void seen.push('preview'),
    onDeleted: () => void seen.push('deleted'),
  };
}

beforeEach(() => {
  entries = [];
  gone = false;
  failing = false;
  reads = 0;
  looks = 0;
  hints = createMemoryHints();
});

afterEach(async () => {
  await feeds[Symbol.asyncDispose]();
});

describe('a feed', () => {
  it('begins now, or after a place in the log', async () => {
    write(1200);
    const [now, all, some] = [reader(), reader(), reader()];
    start(NEVER);
    await feeds.open(ref, now);
    await feeds.open(ref, all, 0);
    await feeds.open(ref, some, 1198);
    write(2);
    await announce();
    const expected = Array.from({ length: 1202 }, (_, i) => i + 1);
    await eventually(() => expect(now.seen).toEqual([1201, 1202]));
    await eventually(() => expect(all.seen).toEqual(expected));
    await eventually(() => expect(some.seen).toEqual(expected.slice(1198)));
  });

  it('reads once for all who follow the session', async () => {
    start(NEVER);
    const readers = Array.from({ length: 10 }, reader);
    for (const one of readers) await feeds.open(ref, one);
    write(3);
    await announce();
    for (const one of readers) await eventually(() => expect(one.seen).toEqual([1, 2, 3]));
    expect(reads).toBeLessThanOrEqual(2);
  });

  it('makes nothing of hints that are late, doubled or not understood', async () => {
    const one = reader();
    await start(NEVER).open(ref, one);
    write(2);
    for (const hint of ['{', 'null', '7', '{"type":"news"}']) await hints.publish(sessionChannel(ref.session_id), hint);
    await announce();
    await announce();
    await publish({ type: 'appended', seq: 1 });
    write(1);
    await announce();
    await eventually(() => expect(one.seen).toEqual([1, 2, 3]));
  });

  it('takes entries from the hint that brings just what is missing, and reads the log for others', async () => {
    const one = reader();
    await start(NEVER).open(ref, one);
    const before = reads;
    write(2);
    await hints.publish(sessionChannel(ref.session_id), appendedHint(entries));
    await eventually(() => expect(one.seen).toEqual([1, 2]));
    expect(reads).toBe(before);
    write(2);
    await hints.publish(sessionChannel(ref.session_id), appendedHint(entries.slice(3)));
    await eventually(() => expect(one.seen).toEqual([1, 2, 3, 4]));
    expect(reads).toBeGreaterThan(before);
  });

  it('finds by itself what no hint announced, also when there are none to be had', async () => {
    const one = reader();
    await start(5, brokenHints).open(ref, one);
    write(2);
    await eventually(() => expect(one.seen).toEqual([1, 2]));
  });

  it('goes on when the database was away', async () => {
    const one = reader();
    await start(5).open(ref, one);
    failing = true;
    write(1);
    const before = looks;
    await eventually(() => expect(looks).toBeGreaterThan(before + 1));
    failing = false;
    await eventually(() => expect(one.seen).toEqual([1]));
  });

  it('shows previews after what was announced before them, and none after their event', async () => {
    const one = reader();
    await start(NEVER).open(ref, one);
    write(2);
    await announce();
    const preview = (id: string): SessionHint => ({
      type: 'preview',
      event: { type: 'event_start', event: { type: 'agent.message', id } },
    });
    await publish(preview(newId('sevt')));
    await publish(preview(entries[1]?.event.id ?? ''));
    await eventually(() => expect(one.seen).toEqual([1, 2, 'preview']));
    write(1);
    await announce();
    await eventually(() => expect(one.seen).toEqual([1, 2, 'preview', 3]));
  });

  it('ends with the session, and does not believe a hint that says so too early', async () => {
    const one = reader();
    await start(NEVER).open(ref, one);
    await publish({ type: 'deleted' });
    write(1);
    await announce();
    await eventually(() => expect(one.seen).toEqual([1]));
    gone = true;
    await publish({ type: 'deleted' });
    await eventually(() => expect(one.seen).toEqual([1, 'deleted']));
    await expect(feeds.open(ref, reader())).rejects.toBeInstanceOf(NotFoundError);
  });

  it('stops for who leaves, and starts anew for who comes later', async () => {
    const [first, second] = [reader(), reader()];
    const leave = await start(NEVER).open(ref, first);
    await leave();
    await leave();
    write(1);
    await announce();
    await feeds.open(ref, second);
    write(1);
    await announce();
    await eventually(() => expect(second.seen).toEqual([2]));
    expect(first.seen).toEqual([]);
  });

  it('keeps nothing for a reader that takes its time, and reads for it what it missed', async () => {
    const [slow, quick] = [reader(), reader()];
    let ready: () => void = () => undefined;
    const taking = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const onEntries = (some: readonly LogEntry[]) => {
      slow.onEntries(some);
      return slow.seen.length === 1 ? taking : undefined;
    };
    await start(NEVER).open(ref, { ...slow, onEntries });
    await feeds.open(ref, quick);
    for (let n = 1; n <= 50; n++) {
      write(1);
      await announce();
      await eventually(() => expect(quick.seen).toHaveLength(n));
    }
    expect(slow.seen).toEqual([1]);
    ready();
    await eventually(() => expect(slow.seen).toEqual(quick.seen));
    write(1);
    await announce();
    await eventually(() => expect(slow.seen).toHaveLength(51));
  });

  it('survives a reader that throws', async () => {
    const one = reader();
    const fail = () => {
      throw new Error('a bug');
    };
    await start(NEVER).open(ref, { onEntries: fail, onPreview: fail, onDeleted: fail });
    await feeds.open(ref, one);
    write(1);
    await announce();
    await eventually(() => expect(one.seen).toEqual([1]));
  });
});
