import type { LogEntry } from './event.ts';
import { storedBytes } from './storable.ts';

/** Part of a log, as much of it as is read at a time. */
export interface LogPage {
  entries: LogEntry[];
  /** There is more that way. */
  more: boolean;
}

/**
 * What a page holds at most, as BSON, however many entries were asked for. One entry alone may weigh more
 * (`MAX_APPEND_BYTES`) and is then a page of its own, so that whoever reads on always gets on.
 */
export const MAX_PAGE_BYTES = 1024 * 1024;

/** The first of these, as many as a page holds. What is beyond is not read. */
export async function fillPage(source: AsyncIterable<LogEntry> | Iterable<LogEntry>, limit: number): Promise<LogPage> {
  const entries: LogEntry[] = [];
  let bytes = 0;
  for await (const entry of source) {
    bytes += storedBytes(entry);
    if (entries.length === limit || (bytes > MAX_PAGE_BYTES && entries.length > 0)) return { entries, more: true };
    entries.push(entry);
  }
  return { entries, more: false };
}
