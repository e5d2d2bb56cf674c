import type { Db, Document } from 'mongodb';
import { newId } from '../src/session/id.ts';
import type { SessionRef } from '../src/session/log.ts';
import { createMongoLog } from '../src/session/mongo-log.ts';

/** A session that the product made, with its log: what seeded ones are copies of. */
export interface Template {
  session: Document & { log: { seq: number } };
  events: Document[];
}

/** Documents of one insert. */
const BATCH = 5_000;

/** A session of the product's as it is, with all its entries in documents of their own. */
export async function templateOf(db: Db, ref: SessionRef): Promise<Template> {
  const log = createMongoLog(db, { appended: () => undefined });
  // A list first copies the tail.
  await log.query({ ...ref, order: 'asc', limit: 1 });
  const session = await db
    .collection<Template['session'] & { _id: string }>('sessions')
    .findOne({ _id: ref.session_id });
  const events = await db.collection('session_events').find({ session_id: ref.session_id }).sort({ seq: 1 }).toArray();
  if (session?.log.seq !== events.length) throw new Error('The template was still growing');
  return { session, events };
}

/**
 * Insert copies of a session whose log holds the template's `times` times over, under ids of their own.
 * @returns the sessions' ids
 */
export async function seed(
  db: Db,
  template: Template,
  request: { sessions: number; times: number },
): Promise<string[]> {
  const ids: string[] = [];
  let sessions: Document[] = [];
  let events: Document[] = [];
  const flush = async () => {
    if (events.length > 0) await db.collection('session_events').insertMany(events, { ordered: false });
    if (sessions.length > 0) await db.collection('sessions').insertMany(sessions, { ordered: false });
    sessions = [];
    events = [];
  };
  for (let count = 0; count < request.sessions; count += 1) {
    const copy = copyOf(template, request.times, new Date(Date.now() - 1000 * (request.sessions - count)));
    ids.push(copy.session['_id']);
    sessions.push(copy.session);
    for (const event of copy.events) events.push(event);
    if (events.length >= BATCH) await flush();
  }
  await flush();
  return ids;
}

/** One more session of the same shape. */
export function copyOf(template: Template, times: number, created_at: Date): Template {
  const session_id = newId('sesn');
  const length = template.events.length;
  const events: Document[] = [];
  for (let round = 0; round < times; round += 1) {
    const ids = new Map(template.events.map((event) => [String(event['_id']), newId('sevt')]));
    for (const event of template.events) {
      events.push({ ...(withIds(event, ids) as Document), session_id, seq: round * length + event['seq'] });
    }
  }
  const session = {
    ...template.session,
    _id: session_id,
    created_at,
    updated_at: created_at,
    log: { ...template.session.log, seq: events.length },
  };
  return { session, events };
}

/** The same value with other ids wherever one of these stands. */
function withIds(value: unknown, ids: ReadonlyMap<string, string>): unknown {
  if (typeof value === 'string') return ids.get(value) ?? value;
  if (Array.isArray(value)) return value.map((one) => withIds(one, ids));
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, withIds(one, ids)]));
}
