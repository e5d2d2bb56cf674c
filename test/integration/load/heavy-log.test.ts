import { BSON } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import { createStateCache } from '../../../src/harness/state-cache.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createCheckpointStore } from '../../../src/session/checkpoint-store.ts';
import type { LogEntry } from '../../../src/session/event.ts';
import { createSessionFeeds } from '../../../src/session/feed.ts';
import type { SessionLog, SessionRef } from '../../../src/session/log.ts';
import { MAX_PAGE_BYTES } from '../../../src/session/log-page.ts';
import { type ChatStage, chatStage } from '../../support/chat-stage.ts';
import { agentMessage, idle, userMessage } from '../../support/entries.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform } from '../../support/fake-connector.ts';
import { fillLog } from '../../support/long-log.ts';
import { brokenHints } from '../../support/memory-hints.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MEBIBYTE = 1_048_576;
const HEAVY = 7.5 * MEBIBYTE;

let database: TestDatabase;
let stage: ChatStage;
let ref: SessionRef;
/** What came of each read of the log. */
let pages: LogEntry[][];
let log: SessionLog;
const deliverers: Deliverer[] = [];

/** Light and heavy events by turns, and the last words. */
beforeEach(async () => {
  database = await testDatabase();
  stage = await chatStage(database.db);
  ref = await stage.session();
  const light = () => Array.from({ length: 30 }, (_, n) => userMessage(`${n} ${'y'.repeat(60_000)}`));
  const heavy = () => Array.from({ length: 3 }, () => userMessage('x'.repeat(HEAVY)));
  const entries = [...light(), ...heavy(), ...light(), ...heavy(), agentMessage('the end'), idle()];
  await fillLog(database.db, ref, entries);
  const told = { 'log.undelivered': true, 'log.owed': false };
  await database.db.collection<{ _id: string }>('sessions').updateOne({ _id: ref.session_id }, { $set: told });
  pages = [];
  const noted = async (reading: Promise<LogEntry[]>) => {
    const page = await reading;
    pages.push(page);
    return page;
  };
  log = {
    ...stage.log,
    read: (...request) => noted(stage.log.read(...request)),
    async readPage(...request) {
      const page = await stage.log.readPage(...request);
      pages.push(page.entries);
      return page;
    },
    query: (request) => noted(stage.log.query(request)),
    find: (...request) => noted(stage.log.find(...request)),
  };
});

afterEach(async () => {
  await Promise.all(deliverers.splice(0).map((one) => one.stop()));
  await database[Symbol.asyncDispose]();
});

/** Everything was read, and never more than a page of it at once. */
function expectLight(count = 68): void {
  expect(pages.flat().length).toBeGreaterThanOrEqual(count);
  for (const page of pages) {
    if (page.length > 1) expect(BSON.calculateObjectSize(page)).toBeLessThan(1.1 * MAX_PAGE_BYTES);
  }
}

describe('a log of events of the largest size', () => {
  it('is shown page by page', async () => {
    const platform = createPlatform();
    const deliverer = stage.deliverer(platform, 'gateway_1', { log });
    deliverers.push(deliverer);
    await deliverer.sweepNow();
    await eventually(() => expect(platform.texts()).toEqual(['the end']));
    await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
    expectLight();
  });

  it('is given to a worker that is new to it page by page', async () => {
    const head = await stage.log.head(ref);
    const states = createStateCache(createCheckpointStore(database.db));
    const state = await states.load(log, ref, { head, latest: [] });
    expect(state.queued).toHaveLength(66);
    expectLight();
  });

  it('is followed page by page, by who begins in the middle and by who missed something', async () => {
    await using feeds = createSessionFeeds({ log, hints: brokenHints, logger: silentLogger }, 20);
    const seen: number[] = [];
    const onEntries = (entries: readonly LogEntry[]) => {
      for (const { seq } of entries) seen.push(seq);
      return undefined;
    };
    await feeds.open(ref, { onEntries }, 30);
    // Nobody tells of these.
    await stage.log.append({ ...ref, after: 68, entries: [userMessage('x'.repeat(HEAVY))] });
    await stage.log.append({ ...ref, after: 69, entries: [userMessage('x'.repeat(HEAVY)), userMessage('last')] });
    await eventually(() => expect(seen).toEqual(Array.from({ length: 41 }, (_, n) => n + 31)));
    expectLight(41);
  });

  it('is listed page by page, each with one event at least', async () => {
    const sizes: number[] = [];
    let after_seq = 0;
    for (let more = true; more; ) {
      const page = await stage.log.list({ ...ref, order: 'asc', limit: 1_000, after_seq });
      pages.push(page.entries);
      sizes.push(page.entries.length);
      after_seq = page.entries.at(-1)?.seq ?? Number.NaN;
      ({ more } = page);
    }
    expect(after_seq).toBe(68);
    expect(sizes.filter((size) => size === 0)).toEqual([]);
    expectLight();
  });
});
