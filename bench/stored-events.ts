import type { Db } from 'mongodb';
import type { LogEntry, SessionEvent } from '../src/session/event.ts';
import { type EventDocument, entriesOf, type LoggedDocument, toEntry } from '../src/session/log-document.ts';

/** An entry of a session's log whose event is of one of these types. */
export interface Stored<Type extends SessionEvent['type']> {
  session_id: string;
  entry: LogEntry & { event: Extract<SessionEvent, { type: Type }> };
}

/**
 * Every entry of these types in all logs of a database, once, read past the product's own reader. What was appended
 * lately may stand in its session's tail alone. Tails are read first: what has left one since is in a document by then.
 */
export async function* storedEvents<Type extends SessionEvent['type']>(
  db: Db,
  types: readonly Type[],
): AsyncGenerator<Stored<Type>> {
  const wanted = new Set<string>(types);
  const given = new Set<string>();
  const keyOf = (session_id: string, { seq, event }: LogEntry) => `${session_id} ${seq} ${event.id}`;

  const heads = db.collection<LoggedDocument>('sessions').find({}, { projection: { 'log.seq': 1, 'log.tail': 1 } });
  for await (const { _id: session_id, log } of heads) {
    for (const entry of entriesOf(log)) {
      if (!wanted.has(entry.event.type)) continue;
      given.add(keyOf(session_id, entry));
      yield { session_id, entry } as Stored<Type>;
    }
  }
  const copies = db.collection<EventDocument>('session_events').find({ type: { $in: [...types] } });
  for await (const copy of copies) {
    const { session_id } = copy;
    const entry = toEntry(copy);
    if (!given.has(keyOf(session_id, entry))) yield { session_id, entry } as Stored<Type>;
  }
}
