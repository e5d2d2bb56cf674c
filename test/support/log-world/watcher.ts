import { isDeepStrictEqual } from 'node:util';
import type { Collection, Db } from 'mongodb';
import type { LogEntry } from '../../../src/session/event.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import type { EventDocument, LogFields, LoggedDocument } from '../../../src/session/log-document.ts';
import { emptyLog, entriesOf, toEntry } from '../../../src/session/log-document.ts';
import { nextStep } from '../../../src/session/next-step.ts';
import { emptyState, type SessionState } from '../../../src/session/session-state.ts';
import { fold } from '../../../src/session/state.ts';

/** Something that somebody tried to append. */
export interface Batch {
  ids: string[];
  /** Of the lease that it was tried with. */
  token: number | null;
  /** What the one who tried was told last. */
  outcome: 'unknown' | 'landed' | 'refused';
}

/**
 * Looks at a session as it lies in the database between any two operations, knows what was tried, and throws at the first
 * thing that must never be.
 */
export interface LogWatcher {
  /** Everything that has ever been tried. */
  readonly batches: Batch[];
  /** The log as of the last look. */
  readonly entries: readonly LogEntry[];
  readonly log: LogFields;
  /** Told of before it is tried. */
  expects(ids: string[], token?: number): Batch;
  /** Somebody is about to say that the log is shown up to here. */
  showing(seq: number): void;
  /** The holder of this lease is about to give it back. */
  givingBack(token: number): void;
  /** After a change of this collection. @throws Error for the first thing that must never be */
  look(changed: string): Promise<void>;
}

const EVENTS = 'session_events';
/** A lease that was let run out by the world has this or less as its end. */
export const RUN_OUT = new Date(0);
/** Far less than the processes' clocks are off, far more than a clock moves while it is read. */
const SLOW_MS = 60_000;

/** The time, also while `Date` is a process's. */
export function realNow(): number {
  return performance.timeOrigin + performance.now();
}

/** `lease_ms` is what every lease is claimed and renewed for. */
export async function createWatcher(db: Db, ref: SessionRef, lease_ms: number): Promise<LogWatcher> {
  const sessions = db.collection<LoggedDocument>('sessions');
  const ahead_ms = await aheadOf(sessions, ref);
  const events = db.collection<EventDocument>(EVENTS);
  let copies: EventDocument[] = [];
  const batches: Batch[] = [];
  const batchOf = new Map<string, Batch>();
  const entries: LogEntry[] = [];
  const shown = new Set<number>();
  const givenBack = new Set<number>();
  let log = emptyLog();
  let state: SessionState = emptyState();

  async function look(changed: string): Promise<void> {
    const before = log;
    if (changed === EVENTS) copies = await events.find({ session_id: ref.session_id }).sort({ seq: 1 }).toArray();
    else {
      const document = await sessions.findOne({ _id: ref.session_id });
      if (document === null) throw new Error('The session is gone');
      log = document.log;
    }
    const all = wholeLog(log, copies.map(toEntry));
    isPrefix(entries, all);
    const news = all.slice(entries.length);
    entries.push(...news);
    state = fold(news, state);
    if (news.length > 0) isWholeBatch(news, before);
    isByTheDatabase(log.lease.until);
    if (log.lease.token !== before.lease.token) wasFree(before, log);
    else if (log.lease.until === null && before.lease.until !== null) {
      assert(givenBack.has(log.lease.token), 'a lease was given back by somebody who did not hold it');
    }
    agrees(log, state, entries);
    showsProcessed(entries, copies, log);
    assert(log.seq === 0 || log.undelivered || shown.has(log.seq), 'an append counts as shown that nobody showed');
  }

  /** Whatever the clock of the process says that took it, a lease runs from now on by the database's. */
  function isByTheDatabase(until: Date | null): void {
    if (until === null || until <= RUN_OUT) return;
    const left = until.getTime() - (realNow() + ahead_ms);
    assert(left > 0 && left <= lease_ms + SLOW_MS, `a lease of ${lease_ms} ms has ${left} ms left`);
  }

  /** One append, all of it, in its order, by somebody who held the lease at that moment. */
  function isWholeBatch(news: LogEntry[], before: LogFields): void {
    const ids = news.map((entry) => entry.event.id);
    const batch = batchOf.get(ids[0] ?? '');
    assert(batch !== undefined, `nobody tried to append ${ids[0]}`);
    assert(isDeepStrictEqual(ids, batch.ids), `of ${batch.ids.join()} only this landed: ${ids.join()}`);
    assert(batch.token === null || batch.token === before.lease.token, 'an append by a holder that had lost its lease');
  }

  return {
    batches,
    entries,
    get log() {
      return log;
    },
    expects(ids, token) {
      const batch: Batch = { ids, token: token ?? null, outcome: 'unknown' };
      batches.push(batch);
      for (const id of ids) batchOf.set(id, batch);
      return batch;
    },
    showing: (seq) => void shown.add(seq),
    givingBack: (token) => void givenBack.add(token),
    look,
  };
}

/** How far the database's clock is ahead of ours, in milliseconds. */
async function aheadOf(sessions: Collection<LoggedDocument>, ref: SessionRef): Promise<number> {
  const asked = [{ $match: { _id: ref.session_id } }, { $project: { now: '$$NOW' } }];
  const [answer] = await sessions.aggregate<{ now: Date }>(asked).toArray();
  if (answer === undefined) throw new Error('There is no session to ask the time of');
  return answer.now.getTime() - realNow();
}

/** The copies below the tail, then the tail: together without a gap, and nowhere at odds. */
function wholeLog(log: LogFields, copies: LogEntry[]): LogEntry[] {
  const tail = entriesOf(log);
  const first = log.seq - tail.length + 1;
  const below = copies.filter((entry) => entry.seq < first);
  const all = [...below, ...tail];
  all.forEach((entry, index) => assert(entry.seq === index + 1, `event ${index + 1} is lost: ${entry.seq} follows`));
  assert(all.length === log.seq, `the head says ${log.seq}, and there are ${all.length} events`);
  for (const copy of copies.slice(below.length)) {
    const original = all[copy.seq - 1];
    assert(original !== undefined && isSame(copy, original), `the copy of event ${copy.seq} is of another event`);
  }
  assert(new Set(all.map((entry) => entry.event.id)).size === all.length, 'an event is doubled');
  return all;
}

function isPrefix(before: readonly LogEntry[], all: readonly LogEntry[]): void {
  before.forEach((entry, index) => {
    const now = all[index];
    assert(now !== undefined && isSame(entry, now), `event ${index + 1} is lost or another now`);
  });
}

function wasFree(before: LogFields, after: LogFields): void {
  const { until } = before.lease;
  assert(until === null || until <= RUN_OUT, 'a lease was taken that its holder still had');
  assert(after.lease.token === before.lease.token + 1, 'a change of hands that its token does not show');
}

/** What lists and the sweep see without reading the log is what the log says. */
function agrees(log: LogFields, state: SessionState, entries: readonly LogEntry[]): void {
  assert(log.status === state.status, `the head says ${log.status}, the log ${state.status}`);
  assert(isDeepStrictEqual(log.stop_reason, state.stop_reason), 'the head has another stop reason than the log');
  assert(isDeepStrictEqual(log.usage ?? {}, state.usage), 'the head has another usage than the log');
  const last = entries.at(-1)?.created_at ?? null;
  assert(isDeepStrictEqual(log.last_event_at, last), 'the head has another time of the last event than the log');
  const next = nextStep(state).do;
  assert(log.owed || next === 'rest' || next === 'wait', `the log asks to ${next}, and the head owes no turn`);
}

/** Lists show an input as processed from when the log says so, which the tail's copy may still be behind with. */
function showsProcessed(entries: readonly LogEntry[], copies: EventDocument[], log: LogFields): void {
  const first = log.seq - log.tail.length + 1;
  const processed = new Map<string, { at: string; seq: number }>();
  for (const { seq, event } of entries) {
    if (event.type !== 'deckhand.input_processed') continue;
    for (const id of event.event_ids) processed.set(id, { at: event.processed_at, seq });
  }
  for (const { _id, event } of copies) {
    const mark = processed.get(_id);
    const shows = event.processed_at ?? null;
    if (!('processed_at' in event) || (mark === undefined && !isInputOf(event))) continue;
    if (mark === undefined) assert(shows === null, `input ${_id} shows as processed, and was not`);
    else assert(shows === mark.at || (shows === null && mark.seq >= first), `input ${_id} does not show as processed`);
  }
}

function isInputOf(event: LogEntry['event']): boolean {
  return event.type.startsWith('user.') || event.type === 'system.message';
}

/** The same but for the mark that an input was processed, which is made in the copies alone. */
export function isSame(one: LogEntry, other: LogEntry): boolean {
  const plain = (entry: LogEntry) =>
    isInputOf(entry.event) ? { ...entry, event: { ...entry.event, processed_at: null } } : entry;
  return isDeepStrictEqual(plain(one), plain(other));
}

export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(message);
}
