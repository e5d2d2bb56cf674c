import type { LogEntry } from './event.ts';
import type { SessionLog, SessionRef } from './log.ts';

/** Entries of one read; a page is closed earlier when it is heavy. */
const PAGE = 500;

/** All that follows `after`, oldest first, a page at a time: no more than a page of it is in memory. @throws NotFoundError */
export async function* pagesAfter(
  log: Pick<SessionLog, 'read'>,
  ref: SessionRef,
  after: number,
): AsyncGenerator<LogEntry[]> {
  let seq = after;
  for (;;) {
    const page = await log.read(ref, seq, PAGE);
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    seq = last.seq;
  }
}
