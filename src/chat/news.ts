import type { LogEntry } from '../session/event.ts';
import type { SessionHint } from '../session/hints.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';

/** Entries read at a time. */
const PAGE = 200;
/** Entries that were heard and wait to be shown; of more, the log is read. */
const MOST_HEARD = 1_000;

/**
 * What is new in a log, in order and none missing: from the hints where they tell it whole, from the log where they do
 * not, and from the log now and then, because a hint may be lost.
 */
export interface News {
  /**
   * What came since the last call; empty: nothing did. The log is read for it when hints were missed, when `look` says so,
   * and when that was `look_ms` ago.
   */
  next(options: { look: boolean; look_ms: number }): Promise<LogEntry[]>;
  hear(hint: Extract<SessionHint, { type: 'appended' }>): void;
  /** From here on every append is announced. Until then the log is read each time. */
  listening(): void;
  /** There is more in the log than was heard. */
  miss(): void;
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
  let looked_at = 0;

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
    async next({ look, look_ms }) {
      const now = performance.now();
      if (isListening && !isBehind && !look && now - looked_at < look_ms) {
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
      else looked_at = now;
      return give(page.entries);
    },
    hear({ seq, entries }) {
      const last = heard.at(-1)?.seq ?? given;
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
    get hasMore() {
      return hasMore;
    },
    get isRunning() {
      return isRunning;
    },
  };
}
