import type { LogEntry } from './event.ts';
import type { SessionLog, SessionRef } from './log.ts';

/** Entries of one read; a page is closed earlier when it is heavy. */
const PAGE = 500;

/** All that follows `after`, oldest first, a page at a time: no more than a page of it is in memory. @throws NotFoundError */
export async function* pagesAfter(
  log: Pick<SessionLog, 'readPage'>,
  ref: SessionRef,
  after: number,
): AsyncGenerator<LogEntry[]> {
  let seq = after;
  for (;;) {
    const { entries, more } = await log.readPage(ref, seq, PAGE);
    const last = entries.at(-1);
    if (last === undefined) return;
    yield entries;
    if (!more) return;
    seq = last.seq;
  }
}
