import { BSON } from 'mongodb';
import { InvalidInputError } from '../errors.ts';
import type { LogEntry, NewEntry } from './event.ts';
import { type Append, MAX_APPEND_BYTES } from './log.ts';

const MAX_APPEND_EVENTS = 1000;

/** As MongoDB stores it: the rest of the 16 MiB of a document is the session's own. */
const MAX_STORED_BYTES = 12 * 1024 * 1024;
/** The most that JSON grows by when it is stored: `[],` is 3 bytes there and up to 14 in a long list. */
const STORED_PER_JSON = 7;

/** @throws InvalidInputError when these are too many or too heavy for one append */
export function refuseTooLarge(entries: readonly NewEntry[]): void {
  if (entries.length > MAX_APPEND_EVENTS) {
    throw new InvalidInputError(`at most ${MAX_APPEND_EVENTS} events at once`, 'events');
  }
  const bytes = Buffer.byteLength(JSON.stringify(entries));
  if (bytes > MAX_APPEND_BYTES) {
    throw new InvalidInputError(`${bytes} bytes are more than the ${MAX_APPEND_BYTES} that fit one append`, 'events');
  }
  if (bytes * STORED_PER_JSON <= MAX_STORED_BYTES) return;
  const stored = BSON.calculateObjectSize({ entries }, { ignoreUndefined: true });
  if (stored > MAX_STORED_BYTES) {
    throw new InvalidInputError(`${stored} bytes, stored, are more than the ${MAX_STORED_BYTES} that fit`, 'events');
  }
}

/**
 * The entries of an append in their places. @throws InvalidInputError when they are too many or too heavy for one
 */
export function place(request: Append): LogEntry[] {
  refuseTooLarge(request.entries);
  const created_at = new Date();
  return request.entries.map((entry, index) => ({ seq: request.after + 1 + index, created_at, ...entry }));
}

/** What an append sets in the session's document. */
export function changes(request: Append, entries: LogEntry[]): Record<string, unknown> {
  const set: Record<string, unknown> = {};
  const last = entries.at(-1);
  if (last !== undefined) {
    set['log.seq'] = last.seq;
    set['log.tail'] = entries;
    set['log.last_event_at'] = last.created_at;
    set['log.undelivered'] = true;
  }
  if (request.owed !== undefined) set['log.owed'] = request.owed;
  if (request.release === true) {
    set['log.lease.holder'] = null;
    set['log.lease.until'] = null;
  }
  return { ...set, ...projections(entries) };
}

/** Status and usage stand on the document too, so that lists of sessions need not read logs. */
function projections(entries: LogEntry[]): Record<string, unknown> {
  const set: Record<string, unknown> = {};
  for (const { event } of entries) {
    if (event.type === 'session.status_running') set['log.status'] = 'running';
    else if (event.type === 'session.status_rescheduled') set['log.status'] = 'rescheduling';
    else if (event.type === 'session.status_terminated') set['log.status'] = 'terminated';
    else if (event.type === 'session.usage') set['log.usage'] = event.usage;
    else if (event.type === 'session.status_idle') {
      set['log.status'] = 'idle';
      set['log.stop_reason'] = event.stop_reason;
    }
  }
  return set;
}

/** Inputs that these entries mark as processed; their documents show it to lists. */
export function processedBy(entries: LogEntry[]): { ids: string[]; at: string } | null {
  const ids: string[] = [];
  let at = '';
  for (const { event } of entries) {
    if (event.type !== 'deckhand.input_processed') continue;
    ids.push(...event.event_ids);
    at = event.processed_at;
  }
  return ids.length === 0 ? null : { ids, at };
}
