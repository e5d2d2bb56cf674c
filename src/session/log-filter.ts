import type { EventQuery } from './log.ts';

/** What a list finds its page by, in the order of the log. */
export const LIST_INDEXES = {
  all: { session_id: 1, seq: 1 },
  of_types: { session_id: 1, type: 1, seq: 1 },
  /** A busy command alone may leave thousands of Deckhand's own between two others. */
  shown: { session_id: 1, internal: 1, seq: 1 },
} as const;

/** Named, because MongoDB guesses from the first few documents, and a log is not everywhere alike. */
export function indexFor({ types, include_internal }: EventQuery): Record<string, 1> {
  if (types !== undefined) return LIST_INDEXES.of_types;
  return include_internal === true ? LIST_INDEXES.all : LIST_INDEXES.shown;
}

/** A list's filter over the events' documents. */
export function eventFilter(query: EventQuery): Record<string, unknown> {
  const seq: Record<string, number> = {};
  if (query.after_seq !== undefined) seq['$gt'] = query.after_seq;
  if (query.before_seq !== undefined) seq['$lt'] = query.before_seq;
  const created: Record<string, Date> = {};
  for (const [name, value] of Object.entries(query.created ?? {})) created[`$${name}`] = value;
  return {
    session_id: query.session_id,
    workspace_id: query.workspace_id,
    ...(Object.keys(seq).length === 0 ? {} : { seq }),
    ...(Object.keys(created).length === 0 ? {} : { created_at: created }),
    ...typeFilter(query),
  };
}

function typeFilter(query: EventQuery): Record<string, unknown> {
  if (query.types !== undefined) return { type: { $in: [...query.types] } };
  return query.include_internal === true ? {} : { internal: null };
}
