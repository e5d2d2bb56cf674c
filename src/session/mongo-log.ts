import { LRUCache } from 'lru-cache';
import { type Collection, type Db, type Filter, MongoBulkWriteError } from 'mongodb';
import { LeaseLostError, LogMovedError, NotFoundError } from '../errors.ts';
import type { LogEntry } from './event.ts';
import type { Append, AppendListener, Claimed, LaneSession, SessionLog, SessionRef } from './log.ts';
import { type EventDocument, headOf, type LoggedDocument, toDocument, toEntry } from './log-document.ts';
import { eventFilter } from './log-filter.ts';
import { changes, place, processedBy } from './log-update.ts';

const DUPLICATE_KEY = 11000;
/** How often an unconditional append re-reads a moving head before it gives up. */
const MAX_TRIES = 50;

const SESSIONS = 'sessions';
const EVENTS = 'session_events';

/** Indexes that the log needs; safe to call at every start. */
export async function createLogIndexes(db: Db): Promise<void> {
  await db.collection(EVENTS).createIndexes([
    // Also the last line of defence: two events can never share a place.
    { key: { session_id: 1, seq: 1 }, unique: true },
    { key: { session_id: 1, type: 1, seq: 1 } },
  ]);
  await db.collection(SESSIONS).createIndexes([
    { key: { 'log.owed': 1, _id: 1 }, partialFilterExpression: { 'log.owed': true } },
    { key: { 'log.undelivered': 1, _id: 1 }, partialFilterExpression: { 'log.undelivered': true } },
  ]);
}

/** The session log on MongoDB; `listener` hears of every append. See log-document.ts for how it lies there. */
export function createMongoLog(db: Db, listener: AppendListener): SessionLog {
  const sessions: Collection<LoggedDocument> = db.collection(SESSIONS, {
    writeConcern: { w: 'majority', journal: true },
  });
  // Copies of what the head already holds: journaled by the next append at the latest, so they need not wait for it.
  const events: Collection<EventDocument> = db.collection(EVENTS, { writeConcern: { w: 1 } });

  // Heads whose tail this process knows to be copied: the usual append needs neither to read nor to copy it again.
  const settled = new LRUCache<string, number>({ max: 10_000 });
  // Lanes never change, and an append of a settled log does not read the session again.
  const lanes = new LRUCache<string, string>({ max: 10_000 });

  async function load(ref: SessionRef): Promise<LoggedDocument> {
    const found = await sessions.findOne(filterOf(ref), { projection: { workspace_id: 1, log: 1 } });
    if (found === null) throw new NotFoundError('Session', ref.session_id);
    lanes.set(found._id, found.log.lane);
    return found;
  }

  /** Copy a tail into its documents. Idempotent: whoever finds it undone may do it. */
  async function copy(ref: SessionRef, tail: LogEntry[]): Promise<void> {
    try {
      await events.insertMany(
        tail.map((entry) => toDocument(ref, entry)),
        { ordered: false },
      );
    } catch (error) {
      if (!isDuplicateOnly(error)) throw error;
    }
    const processed = processedBy(tail);
    if (processed !== null) {
      await events.updateMany(
        { session_id: ref.session_id, _id: { $in: processed.ids } },
        { $set: { 'event.processed_at': processed.at } },
      );
    }
    settled.set(ref.session_id, tail.at(-1)?.seq ?? 0);
  }

  async function settle(document: LoggedDocument): Promise<void> {
    const { seq, tail } = document.log;
    if (tail.length === 0 || settled.get(document._id) === seq) return;
    await copy({ workspace_id: document.workspace_id, session_id: document._id }, tail);
  }

  async function append(request: Append, known?: LoggedDocument): Promise<LogEntry[]> {
    const entries = place(request);
    if (settled.get(request.session_id) !== request.after) {
      const before = known ?? (await load(request));
      if (before.log.seq !== request.after) throw refusal(before, request);
      await settle(before);
    }
    const filter = {
      ...filterOf(request),
      'log.seq': request.after,
      ...(request.lease === undefined ? {} : { 'log.lease.token': request.lease.token }),
    };
    const updated = await sessions.updateOne(filter, { $set: changes(request, entries) });
    if (updated.matchedCount === 0) throw refusal(await load(request), request);
    if (entries.length > 0) {
      const { workspace_id, session_id } = request;
      const lane = lanes.get(session_id) ?? (await load(request)).log.lane;
      listener.appended({ workspace_id, session_id, lane }, entries, request.owed === true);
      // It has landed: a copy that fails now is made by the next append or list, and must not look like a failed append.
      await copy(request, entries).catch(() => undefined);
    }
    return entries;
  }

  async function page(which: Filter<LoggedDocument>, limit: number, after: string | null): Promise<LaneSession[]> {
    const found = await sessions
      .find(after === null ? which : { ...which, _id: { $gt: after } }, {
        projection: { workspace_id: 1, 'log.lane': 1 },
      })
      .sort({ _id: 1 })
      .limit(limit)
      .toArray();
    return found.map(({ _id, workspace_id, log }) => ({ workspace_id, session_id: _id, lane: log.lane }));
  }

  return {
    async head(ref) {
      return headOf((await load(ref)).log);
    },

    async read(ref, after = 0, limit) {
      // The head first: what it counts is then either in its tail or already copied.
      const document = await load(ref);
      const { seq, tail } = document.log;
      const first = tail[0]?.seq ?? seq + 1;
      if (after >= seq) return [];
      const fromTail = tail.filter((entry) => entry.seq > after);
      if (after + 1 >= first) return fromTail.slice(0, limit);
      const copied = await events
        .find({ session_id: ref.session_id, workspace_id: ref.workspace_id, seq: { $gt: after, $lt: first } })
        .sort({ seq: 1 })
        .limit(limit ?? 0)
        .toArray();
      return [...copied.map(toEntry), ...fromTail].slice(0, limit);
    },

    async query(query) {
      await settle(await load(query));
      const found = await events
        .find(eventFilter(query))
        .sort({ seq: query.order === 'asc' ? 1 : -1 })
        .limit(query.limit)
        .toArray();
      return found.map(toEntry);
    },

    append: (request) => append(request),

    async appendInputs(ref, entries) {
      for (let attempt = 1; ; attempt++) {
        const document = await load(ref);
        try {
          return await append({ ...ref, after: document.log.seq, entries, owed: true }, document);
        } catch (error) {
          if (!(error instanceof LogMovedError) || attempt === MAX_TRIES) throw error;
        }
      }
    },

    async claim(ref, holder, ttl_ms): Promise<Claimed | null> {
      const before = await sessions.findOneAndUpdate(
        { ...filterOf(ref), $expr: FREE },
        [
          {
            $set: {
              'log.lease.token': { $add: ['$log.lease.token', 1] },
              'log.lease.holder': { $literal: holder },
              'log.lease.until': { $add: ['$$NOW', ttl_ms] },
            },
          },
        ],
        { returnDocument: 'before', projection: { workspace_id: 1, log: 1 } },
      );
      if (before === null) {
        await load(ref);
        return null;
      }
      lanes.set(ref.session_id, before.log.lane);
      const token = before.log.lease.token + 1;
      return {
        lease: { ...ref, token, holder },
        head: { ...headOf(before.log), lease_token: token },
        taken_over: before.log.lease.holder !== null,
      };
    },

    async renew(lease, ttl_ms) {
      const renewed = await sessions.findOneAndUpdate(
        { ...filterOf(lease), 'log.lease.token': lease.token, 'log.lease.holder': lease.holder },
        [{ $set: { 'log.lease.until': { $add: ['$$NOW', ttl_ms] } } }],
        // A renewal that a crash undoes only makes the lease run out sooner.
        { writeConcern: { w: 1 }, projection: { 'log.tail': 0 } },
      );
      return renewed === null ? null : headOf(renewed.log);
    },

    async release(lease) {
      await sessions.updateOne(
        { ...filterOf(lease), 'log.lease.token': lease.token },
        { $set: { 'log.lease.holder': null, 'log.lease.until': null } },
      );
    },

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

    undelivered: (limit, after = null) => page({ 'log.undelivered': true }, limit, after),
  };
}

/** Nobody holds the lease, or its holder let it run out. `$$NOW` is the database's clock: workers' clocks may differ. */
const FREE = { $or: [{ $eq: ['$log.lease.until', null] }, { $lte: ['$log.lease.until', '$$NOW'] }] };

function filterOf(ref: SessionRef): { _id: string; workspace_id: string } {
  return { _id: ref.session_id, workspace_id: ref.workspace_id };
}

/** Why an append did not match: the lease first, because a holder that lost it must not try again. */
function refusal(document: LoggedDocument, request: Append): Error {
  const { lease } = request;
  if (lease !== undefined && document.log.lease.token !== lease.token) return new LeaseLostError(request.session_id);
  return new LogMovedError(request.session_id);
}

function isDuplicateOnly(error: unknown): boolean {
  if (!(error instanceof MongoBulkWriteError)) return false;
  const errors = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
  return errors.length > 0 && errors.every((one) => one.code === DUPLICATE_KEY);
}
