import type { LogEntry } from '../session/event.ts';
import type { SessionHint } from '../session/hints.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';

/** Entries read at a time. */
const PAGE = 200;
/** Entries that were heard and wait to be shown; of more, the log is read. */
const MOST_HEARD = 1_000;

/**
 * What is new in a log, in order and none missing: from the hints where they tell it whole, and from the log where they do
 * not.
 */
export interface News {
  /**
   * What came since the last call; empty: nothing did. The log is read for it when hints were missed, and when `look` says so.
   */
  next(look: boolean): Promise<LogEntry[]>;
  hear(hint: Extract<SessionHint, { type: 'appended' }>): void;
  /** From here on every append is announced. Until then the log is read each time. */
  listening(): void;
  /** There is more in the log than was heard. */
  miss(): void;
  /** The last entry that was heard of. */
  readonly known: number;
  /** What was given out last was a page with more behind it. */
  readonly hasMore: boolean;
  /** A run is under way, by what was given out: there is no use in asking the log's head whether the session rests. */
  readonly isRunning: boolean;
}

/** @param after the last entry that is not new */
export function createNews(log: Pick<SessionLog, 'readPage'>, ref: SessionRef, after: number): News {
  let given = after;
  let heard: LogEntry[] = [];
  let isBehind = true;
  let hasMore = false;
  let isListening = false;
  let isRunning = false;

  const known = () => heard.at(-1)?.seq ?? given;

  function give(entries: LogEntry[]): LogEntry[] {
    const fresh = entries.filter(({ seq }) => seq > given);
    given = fresh.at(-1)?.seq ?? given;
    for (const { event } of fresh) {
      if (event.type === 'session.status_running') isRunning = true;
      if (event.type === 'session.status_idle' || event.type === 'session.status_terminated') isRunning = false;
    }
    return fresh;
  }

  return {
    async next(look) {
      if (isListening && !isBehind && !look) {
        const entries = heard;
        heard = [];
        hasMore = false;
        return give(entries);
      }
      isBehind = false;
      heard = [];
      const page = await log.readPage(ref, given, PAGE);
      hasMore = page.more;
      if (hasMore) isBehind = true;
      return give(page.entries);
    },
    hear({ seq, entries }) {
      const last = known();
      if (seq <= last) return;
      if (entries?.[0]?.seq === last + 1 && heard.length < MOST_HEARD) heard.push(...entries);
      else isBehind = true;
    },
    listening() {
      isListening = true;
      isBehind = true;
    },
    miss() {
      isBehind = true;
    },
    get known() {
      return known();
    },
    get hasMore() {
      return hasMore;
    },
    get isRunning() {
      return isRunning;
    },
  };
}
