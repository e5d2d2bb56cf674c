import type { Collection } from 'mongodb';
import { duplicatesAside } from './duplicate.ts';
import type { SessionRef } from './log.ts';
import { type EventDocument, entriesOf, type LoggedDocument, toDocument } from './log-document.ts';
import { processedBy } from './log-update.ts';

/** From this weight on a tail is copied: light enough to carry with every claim, heavy enough to copy many at once. */
export const HEAVY_TAIL_BYTES = 32 * 1024;

/**
 * Most that a tail weighs, as BSON: with the rest of its session it must fit one document of 16 MiB. An append that it
 * has no room for waits until the tail is copied.
 */
export const MAX_TAIL_BYTES = 12 * 1024 * 1024;

/**
 * Copy a tail's entries into documents of their own, then take them out of the tail. Whoever finds a tail heavy may do
 * it, also several at once and also after somebody died in the middle: a copy that is there already is left alone, and the
 * tail only loses what is copied, whatever was appended meanwhile.
 */
export async function settleTail(
  sessions: Collection<LoggedDocument>,
  events: Collection<EventDocument>,
  document: LoggedDocument,
): Promise<void> {
  const { _id: session_id, workspace_id, log } = document;
  if (log.tail.length === 0) return;
  await copy(events, { workspace_id, session_id }, document);
  await sessions.updateOne({ _id: session_id, workspace_id }, WITHOUT_COPIED(log.seq));
}

async function copy(events: Collection<EventDocument>, ref: SessionRef, { log }: LoggedDocument): Promise<void> {
  const entries = entriesOf(log);
  const processed = processedBy(entries);
  const documents = entries.map((entry) => {
    const at = processed.get(entry.event.id);
    if (at === undefined) return toDocument(ref, entry);
    return toDocument(ref, { ...entry, event: { ...entry.event, processed_at: at } as typeof entry.event });
  });
  const copied = new Set(documents.map((document) => document._id));
  // Those that were copied before they were taken up.
  let behind = [...processed].filter(([id]) => !copied.has(id));
  try {
    await events.insertMany(documents, { ordered: false });
  } catch (error) {
    duplicatesAside(error, documents.length);
    // Somebody else copies the same, and may have looked before they were taken up.
    behind = [...processed];
  }
  if (behind.length === 0) return;
  await events.bulkWrite(
    behind.map(([_id, at]) => ({
      updateOne: { filter: { _id, session_id: ref.session_id }, update: { $set: { 'event.processed_at': at } } },
    })),
    { ordered: false },
  );
}

/** Leaves what follows `seq` in the tail. The head is read in the same update, so that nothing newer is lost. */
const WITHOUT_COPIED = (seq: number) => {
  const newer = { $subtract: ['$log.seq', seq] };
  return [
    {
      $set: {
        'log.tail': {
          $cond: [{ $gt: [newer, 0] }, { $slice: ['$log.tail', { $multiply: [-1, newer] }] }, []],
        },
      },
    },
    { $set: { 'log.tail_bytes': { $bsonSize: { tail: '$log.tail' } } } },
  ];
};
