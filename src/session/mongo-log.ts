import type { Collection, Db, Filter, FindOptions } from 'mongodb';
import { LeaseLostError, LogMovedError, NotFoundError, SessionClosedError } from '../errors.ts';
import type { LogEntry } from './event.ts';
import type { Append, AppendListener, EventQuery, LaneSession, SessionLog, SessionRef } from './log.ts';
import {
  type EventDocument,
  entriesOf,
  HEAD,
  headOf,
  type LoggedDocument,
  numbered,
  type TailEntry,
  toEntry,
} from './log-document.ts';
import { eventFilter, indexFor, LIST_INDEXES } from './log-filter.ts';
import { fillPage, type LogPage } from './log-page.ts';
import { FREE, filterOf, laneOf, OPEN, roomFor, watchersOf } from './log-queries.ts';
import { HEAVY_TAIL_BYTES, settleTail } from './log-tail.ts';
import { type Addition, additionOf, updateFor } from './log-update.ts';
import { createLeases } from './mongo-leases.ts';

const SESSIONS = 'sessions';
const EVENTS = 'session_events';

/** Indexes that the log needs; safe to call at every start. */
export async function createLogIndexes(db: Db): Promise<void> {
  await db.collection(EVENTS).createIndexes([
    // Also the last line of defence: two events can never share a place.
    { key: LIST_INDEXES.all, unique: true },
    { key: LIST_INDEXES.of_types },
    { key: LIST_INDEXES.shown },
  ]);
  await db.collection(SESSIONS).createIndexes([
    { key: { 'log.owed': 1, _id: 1 }, partialFilterExpression: { 'log.owed': true } },
    {
      key: { 'log.in_conversation': 1, 'log.undelivered': 1, _id: 1 },
      partialFilterExpression: { 'log.in_conversation': true, 'log.undelivered': true },
    },
  ]);
}

/** The session log on MongoDB; `listener` hears of every append. See log-document.ts for how it lies there. */
export function createMongoLog(db: Db, listener: AppendListener): SessionLog {
  const sessions: Collection<LoggedDocument> = db.collection(SESSIONS, {
    writeConcern: { w: 'majority', journal: true },
  });
  // Copies of what the head holds until they are made: the update that takes them out of there journals them too.
  const events: Collection<EventDocument> = db.collection(EVENTS, { writeConcern: { w: 1 } });

  async function load(ref: SessionRef, projection: Record<string, unknown>): Promise<LoggedDocument> {
    const found = await sessions.findOne(filterOf(ref), { projection });
    if (found === null) throw new NotFoundError('Session', ref.session_id);
    return found;
  }

  async function settle(ref: SessionRef): Promise<void> {
    await settleTail(sessions, events, await load(ref, WITH_TAIL));
  }

  /** Add to the log where `filter` says so; else throw what `refusal` makes of the session as it is. */
  async function add(
    ref: SessionRef,
    addition: Addition,
    filter: Filter<LoggedDocument>,
    change: Pick<Append, 'owed' | 'release' | 'set'>,
    refusal: (found: LoggedDocument) => Error | null,
  ): Promise<LogEntry[]> {
    const { entries } = addition;
    const update = updateFor(addition, change);
    for (;;) {
      const landed = await sessions.findOneAndUpdate({ ...filterOf(ref), ...filter, ...roomFor(addition) }, update, {
        returnDocument: 'after',
        projection: LANDED,
      });
      if (landed === null) {
        const refused = refusal(await load(ref, HEAD));
        if (refused !== null) throw refused;
        await settle(ref);
        continue;
      }
      const { log } = landed;
      const placed = numbered(entries, log.seq - entries.length);
      if (entries.length > 0) listener.appended(laneOf(landed), placed, change.owed === true, watchersOf(log));
      // It has landed: a copy that fails now is made by whoever comes next, and must not look like a failed append.
      if (log.tail_bytes > HEAVY_TAIL_BYTES || entries.some(isFoundById)) await settle(ref).catch(() => undefined);
      return placed;
    }
  }

  /** Entries that were copied, in order. A page of common size comes in one answer, which MongoDB ends at 16 MiB. */
  async function* copies(which: Filter<EventDocument>, options: FindOptions): AsyncGenerator<LogEntry> {
    const { limit } = options;
    const found = events.find(which, { ...options, ...(limit === undefined ? {} : { batchSize: limit }) });
    for await (const document of found) yield toEntry(document);
  }

  /** In order, at most `limit` of those that were copied. */
  async function entriesAfter(
    ref: SessionRef,
    after: number,
    limit?: number,
  ): Promise<AsyncIterable<LogEntry> | LogEntry[]> {
    // The head first: what it counts is then either in its tail or already copied.
    const { log } = await load(ref, tailAfter(after));
    if (after >= log.seq) return [];
    const fromTail = entriesOf(log).filter((entry) => entry.seq > after);
    const first = fromTail[0]?.seq ?? log.seq + 1;
    if (first === after + 1) return fromTail;
    const { session_id, workspace_id } = ref;
    const between = { session_id, workspace_id, seq: { $gt: after, $lt: first } };
    const options = { sort: { seq: 1 }, ...(limit === undefined ? {} : { limit }) } as const;
    return (async function* inOrder() {
      yield* copies(between, options);
      yield* fromTail;
    })();
  }

  async function list(query: EventQuery): Promise<LogPage> {
    await settle(query);
    const sort = { seq: query.order === 'asc' ? 1 : -1 } as const;
    // One more than was asked for says that there is more.
    const options = { sort, limit: query.limit + 1, hint: indexFor(query) };
    return fillPage(copies(eventFilter(query), options), query.limit);
  }

  async function page(which: Filter<LoggedDocument>, limit: number, after: string | null): Promise<LaneSession[]> {
    const found = await sessions
      .find(after === null ? which : { ...which, _id: { $gt: after } }, {
        projection: { workspace_id: 1, 'log.lane': 1 },
      })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray();
    return found.map(laneOf);
  }

  return {
    async head(ref) {
      return headOf((await load(ref, HEAD)).log);
    },

    async standing(refs) {
      const workspaces = new Map(refs.map(({ session_id, workspace_id }) => [session_id, workspace_id]));
      const found = sessions.find(
        { _id: { $in: [...workspaces.keys()] } },
        { projection: { workspace_id: 1, 'log.seq': 1 }, batchSize: workspaces.size + 1 },
      );
      const seqs = new Map<string, number>();
      for await (const { _id, workspace_id, log } of found) {
        if (workspaces.get(_id) === workspace_id) seqs.set(_id, log.seq);
      }
      return seqs;
    },

    async read(ref, after = 0) {
      const all: LogEntry[] = [];
      for await (const entry of await entriesAfter(ref, after)) all.push(entry);
      return all;
    },

    readPage: async (ref, after, limit) => fillPage(await entriesAfter(ref, after, limit + 1), limit),

    list,

    async find(ref, ids) {
      const { session_id, workspace_id } = ref;
      const tail = entriesOf((await load(ref, WITH_TAIL)).log).filter(({ event }) => ids.includes(event.id));
      const copied = ids.filter((id) => !tail.some(({ event }) => event.id === id));
      async function* found(): AsyncGenerator<LogEntry> {
        yield* tail;
        if (copied.length === 0) return;
        for await (const one of events.find({ _id: { $in: copied }, session_id, workspace_id })) yield toEntry(one);
      }
      return (await fillPage(found(), ids.length)).entries;
    },

    async query(query) {
      return (await list(query)).entries;
    },

    async append(request) {
      const { lease, after } = request;
      const filter = {
        'log.seq': after,
        ...(lease === undefined ? {} : { 'log.lease.token': lease.token }),
        ...(request.open === true ? OPEN : {}),
      };
      return add(request, additionOf(request.entries), filter, request, (found) => refusalOf(found, request));
    },

    async appendInputs(ref, entries) {
      return add(ref, additionOf(entries), OPEN, { owed: true }, closedError);
    },

    ...createLeases(sessions, listener, (ref) => load(ref, HEAD)),

    owed: (limit, after = null) => page({ 'log.owed': true, $expr: FREE }, limit, after),

    async delivered(ref, seq) {
      const marked = await sessions.updateOne(
        { ...filterOf(ref), 'log.seq': seq },
        { $set: { 'log.undelivered': false } },
        // A mark that a crash undoes only makes delivery look once more.
        { writeConcern: { w: 1 } },
      );
      return marked.matchedCount === 1;
    },

    undelivered: (limit, after = null) => page({ 'log.in_conversation': true, 'log.undelivered': true }, limit, after),
  };
}

/** A click names its approval and no session: the question must be found among all events. */
function isFoundById({ event }: TailEntry): boolean {
  return event.type === 'deckhand.approval_requested';
}

/** Why an append did not match: the lease first, because a holder that lost it must not try again. Null: no room. */
function refusalOf(found: LoggedDocument, { session_id, lease, after, open }: Append): Error | null {
  const { log } = found;
  if (lease !== undefined && log.lease.token !== lease.token) return new LeaseLostError(session_id);
  if (open === true && log.closed) return closedError(found);
  return log.seq === after ? null : new LogMovedError(session_id);
}

function closedError({ _id, log }: LoggedDocument): Error | null {
  return log.closed ? new SessionClosedError(_id, log.status === 'terminated' ? 'terminated' : 'archived') : null;
}

const WITH_TAIL = { workspace_id: 1, 'log.seq': 1, 'log.tail': 1 } as const;

/** What whoever appended has to know next. */
const LANDED = {
  workspace_id: 1,
  'log.lane': 1,
  'log.seq': 1,
  'log.tail_bytes': 1,
  'log.lease': 1,
  'log.in_conversation': 1,
} as const;

/** The head's number with what follows `after`, as far as the tail has it. */
function tailAfter(after: number): Record<string, unknown> {
  // One at least, because a slice of none is an error.
  const newer = { $max: [1, { $subtract: ['$log.seq', after] }] };
  return { 'log.seq': 1, 'log.tail': { $slice: ['$log.tail', { $multiply: [-1, newer] }] } };
}
