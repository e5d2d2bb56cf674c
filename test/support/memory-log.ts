import { LeaseLostError, LogMovedError } from '../../src/errors.ts';
import type { LogEntry } from '../../src/session/event.ts';
import type { Append, EventQuery, Lease, LogHead, SessionLog, SessionRef } from '../../src/session/log.ts';
import { emptyState } from '../../src/session/session-state.ts';
import { fold } from '../../src/session/state.ts';

/** The log of one session as its contract says, in memory, for what is tried many thousand times. */
export interface MemoryLog extends SessionLog {
  readonly entries: readonly LogEntry[];
  /** The same log as a worker sees it that dies after this many appends: from then on nothing answers it. */
  seenByMortal(after: number): SessionLog;
  /** The holder lets its lease run out. */
  runOut(): void;
}

/** More than any test's session needs: whoever appends more does so for ever. */
const MOST_APPENDS = 1_000;

export function createMemoryLog(ref: SessionRef, appended: (entries: LogEntry[]) => void = () => undefined): MemoryLog {
  const entries: LogEntry[] = [];
  let owed = false;
  let token = 0;
  let held = false;
  let appends = 0;

  function head(): LogHead {
    const { status, stop_reason } = fold(entries, emptyState());
    return { seq: entries.length, status, stop_reason, owed, lease_token: token };
  }

  async function append(request: Append): Promise<LogEntry[]> {
    appends += 1;
    if (appends > MOST_APPENDS) throw new Error('the session never comes to rest');
    if (request.lease !== undefined && request.lease.token !== token) throw new LeaseLostError(ref.session_id);
    if (request.after !== entries.length) throw new LogMovedError(ref.session_id);
    const created_at = new Date();
    const news = request.entries.map((entry, index) => ({ seq: request.after + 1 + index, created_at, ...entry }));
    entries.push(...news);
    owed = request.owed ?? owed;
    if (request.release === true) held = false;
    appended(news);
    return news;
  }

  function matches(query: EventQuery, { seq, event }: LogEntry): boolean {
    if (query.types !== undefined && !query.types.includes(event.type)) return false;
    return seq > (query.after_seq ?? 0) && seq < (query.before_seq ?? Infinity);
  }

  const log: SessionLog = {
    head: async () => head(),
    standing: async (refs) => new Map(refs.map(({ session_id }) => [session_id, entries.length])),
    read: async (_ref, after = 0) => entries.slice(after),
    async readPage(_ref, after, limit) {
      const page = entries.slice(after, after + limit);
      return { entries: page, more: after + page.length < entries.length };
    },
    async list(query) {
      const found = entries.filter((entry) => matches(query, entry));
      const ordered = query.order === 'asc' ? found : found.toReversed();
      return { entries: ordered.slice(0, query.limit), more: ordered.length > query.limit };
    },
    find: async (_ref, ids) => entries.filter(({ event }) => ids.includes(event.id)),
    query: async (query) => (await log.list(query)).entries,
    append,
    appendInputs: (_ref, news) => append({ ...ref, after: entries.length, entries: news, owed: true }),
    async claim(_ref, holder, _ttl_ms, opening = null) {
      if (held) return null;
      held = true;
      token += 1;
      const opened = opening?.after === entries.length;
      if (opened) await append({ ...ref, after: opening.after, entries: opening.entries });
      return {
        lease: { ...ref, token, holder },
        head: head(),
        taken_over: false,
        opened,
        latest: opened ? entries.slice(opening.knows) : entries.slice(-3),
        document: {},
      };
    },
    renew: async (lease: Lease) => (lease.token === token ? head() : null),
    async release(lease) {
      if (lease.token === token) held = false;
    },
    owed: async () => (owed && !held ? [{ ...ref, lane: 'test' }] : []),
    delivered: async () => true,
    undelivered: async () => [],
  };

  return {
    ...log,
    entries,
    runOut() {
      held = false;
    },
    seenByMortal(after) {
      let left = after;
      const died = () => Promise.reject(new Error('this worker is dead'));
      return new Proxy(log, {
        get(of, name: keyof SessionLog) {
          if (left < 0) return died;
          if (name === 'append') return (request: Append) => (left-- > 0 ? append(request) : died());
          if (name !== 'claim') return of[name];
          // With an opening it appends too.
          return (...args: Parameters<SessionLog['claim']>) =>
            (args[3] ?? null) === null || left-- > 0 ? of.claim(...args) : died();
        },
      });
    },
  };
}
