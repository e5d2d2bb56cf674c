import { InvalidInputError } from '../errors.ts';
import type { LogEntry, NewEntry, SessionEvent } from './event.ts';
import { type Append, MAX_APPEND_BYTES } from './log.ts';
import { monthOf, type TailEntry } from './log-document.ts';
import { storedBytes } from './storable.ts';

const MAX_APPEND_EVENTS = 1000;

/** What an append adds to a tail. */
export interface Addition {
  entries: TailEntry[];
  /** As BSON. */
  bytes: number;
}

/**
 * @param field what a caller calls the entries
 * @throws InvalidInputError when they are too many or too heavy for one append; it names the one that is by itself
 */
export function additionOf(entries: readonly NewEntry[], field = 'events'): Addition {
  if (entries.length > MAX_APPEND_EVENTS) {
    throw new InvalidInputError(`at most ${MAX_APPEND_EVENTS} events at once`, field);
  }
  const created_at = new Date();
  const added = entries.map((entry) => ({ created_at, ...entry }));
  const bytes = added.length === 0 ? 0 : storedBytes(added);
  if (bytes > MAX_APPEND_BYTES) {
    const one = added.findIndex((entry) => storedBytes([entry]) > MAX_APPEND_BYTES);
    throw new InvalidInputError(
      `${bytes} bytes are more than the ${MAX_APPEND_BYTES} that fit one append`,
      one === -1 ? field : `${field}.${one}`,
    );
  }
  return { entries: added, bytes };
}

/** @throws InvalidInputError when these are too many or too heavy for one append */
export function refuseTooLarge(entries: readonly NewEntry[], field?: string): void {
  additionOf(entries, field);
}

/** The same append as the fields that a stage of an update's pipeline sets: for who reads the document in the same write. */
export function fieldsFor({ entries, bytes }: Addition): Record<string, unknown> {
  const set = {
    ...projections(entries),
    'log.last_event_at': entries.at(-1)?.created_at ?? null,
    'log.undelivered': true,
  };
  return {
    ...Object.fromEntries(Object.entries(set).map(([field, value]) => [field, { $literal: value }])),
    'log.seq': { $add: ['$log.seq', entries.length] },
    'log.tail': { $concatArrays: ['$log.tail', { $literal: entries }] },
    'log.tail_bytes': { $add: ['$log.tail_bytes', bytes] },
  };
}

/** The update of a session's document that makes an append. */
export function updateFor(
  { entries, bytes }: Addition,
  change: Pick<Append, 'owed' | 'release' | 'set'>,
): Record<string, unknown> {
  const set: Record<string, unknown> = { ...change.set, ...projections(entries) };
  if (change.owed !== undefined) set['log.owed'] = change.owed;
  if (change.release === true) {
    set['log.lease.holder'] = null;
    set['log.lease.until'] = null;
  }
  const last = entries.at(-1);
  if (last === undefined) return { $set: set };
  return {
    $inc: { 'log.seq': entries.length, 'log.tail_bytes': bytes },
    $push: { 'log.tail': { $each: entries } },
    $set: { ...set, 'log.last_event_at': last.created_at, 'log.undelivered': true },
  };
}

/** Status, usage, cost and what is asked stand on the document too, so that who looks for them need not read logs. */
function projections(entries: readonly TailEntry[]): Record<string, unknown> {
  const set: Record<string, unknown> = {};
  for (const { event, created_at } of entries) {
    if (event.type === 'session.status_running') set['log.status'] = 'running';
    else if (event.type === 'session.status_rescheduled') set['log.status'] = 'rescheduling';
    else if (event.type === 'session.status_terminated') {
      set['log.status'] = 'terminated';
      set['log.closed'] = true;
    } else if (event.type === 'session.usage') {
      const month = monthOf(created_at);
      set['log.usage'] = event.usage;
      set[`log.spent_by.${month}`] = Number(event.usage.list_cost?.amount ?? 0);
      set['log.spent_in'] = month;
    } else if (toRecord(event) !== null) {
      set['log.unrecorded'] = toRecord(event);
    } else if (event.type === 'session.status_idle') {
      set['log.status'] = 'idle';
      set['log.stop_reason'] = event.stop_reason;
    }
  }
  return set;
}

/** The approval whose record has to follow this event of a turn's: it asks people, or no longer does. Null: none. */
export function toRecord(event: SessionEvent): string | null {
  if (event.type === 'deckhand.approval_requested') return event.approval_id;
  return event.type === 'deckhand.approval_decided' && event.outcome === 'withdrawn' ? event.approval_id : null;
}

/** When each input that these entries mark as processed was taken up, by its id; documents show it to lists. */
export function processedBy(entries: readonly LogEntry[]): Map<string, string> {
  const processed = new Map<string, string>();
  for (const { event } of entries) {
    if (event.type !== 'deckhand.input_processed') continue;
    for (const id of event.event_ids) processed.set(id, event.processed_at);
  }
  return processed;
}
