import type { EventQuery } from './log.ts';

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
  return query.include_internal === true ? {} : { type: { $not: /^deckhand\./ } };
}
