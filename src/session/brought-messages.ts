import type { LogEntry } from './event.ts';

/** Messages that one append brought: whoever knows the log before them knows how it goes on. */
export interface BroughtMessages {
  /** Where the log stands after them. */
  seq: number;
  event_ids: string[];
}

/** More are not worth saying again: whoever takes them up reads them anyway. */
const MOST = 16;

/** Null when the entries are anything else, or too many. */
export function messagesOf(entries: readonly LogEntry[]): BroughtMessages | null {
  const last = entries.at(-1);
  if (last === undefined || entries.length > MOST) return null;
  if (entries.some(({ event }) => event.type !== 'user.message')) return null;
  return { seq: last.seq, event_ids: entries.map(({ event }) => event.id) };
}
