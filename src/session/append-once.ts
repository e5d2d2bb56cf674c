import { LogMovedError } from '../errors.ts';
import type { LogEntry, NewEntry } from './event.ts';
import type { SessionLog, SessionRef } from './log.ts';
import { pagesAfter } from './log-reading.ts';

/** How often an append re-reads a moving head before it gives up; each time costs only what is new. */
const MAX_TRIES = 50;

export interface OnceRequest {
  /** A place in the log from before the first attempt: what it appended can only stand after it. */
  after_seq: number;
  entries: NewEntry[];
  /** The entry that shows that this append, or one that makes it pointless, has already landed. */
  isThere(entry: LogEntry): boolean;
  /** Whether a turn is owed from here on. Absent: unchanged. */
  owed?: boolean;
  /** Only while the session takes inputs. */
  open?: boolean;
}

/**
 * Append unless the log already says so, however often and by whomever this is repeated: an append names the sequence
 * number up to which the log was seen to hold no such entry. Returns that entry when there was one, else null.
 *
 * @throws NotFoundError, SessionClosedError, InvalidInputError
 */
export async function appendOnce(
  log: Pick<SessionLog, 'append' | 'readPage'>,
  ref: SessionRef,
  request: OnceRequest,
): Promise<LogEntry | null> {
  const { after_seq, isThere, ...append } = request;
  let after = after_seq;
  for (let attempt = 1; ; attempt++) {
    try {
      await log.append({ ...ref, ...append, after });
      return null;
    } catch (error) {
      if (!(error instanceof LogMovedError) || attempt === MAX_TRIES) throw error;
    }
    for await (const page of pagesAfter(log, ref, after)) {
      const found = page.find((entry) => isThere(entry));
      if (found !== undefined) return found;
      after = page.at(-1)?.seq ?? after;
    }
  }
}
