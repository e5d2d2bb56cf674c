import type { SessionLog, SessionRef } from './log.ts';
import { createLooks } from './looks.ts';
import { createFeed, type Feed, type FeedDeps, type FeedReader } from './session-feed.ts';

export interface SessionFeeds extends AsyncDisposable {
  /**
   * Follow a session: from now on, or after `fromSeq`. When this resolves, whatever is appended next will arrive. The
   * result ends it. @throws NotFoundError
   */
  open(ref: SessionRef, reader: FeedReader, fromSeq?: number): Promise<() => Promise<void>>;
}

export interface SessionFeedsDeps extends Omit<FeedDeps, 'looks'> {
  log: FeedDeps['log'] & Pick<SessionLog, 'standing'>;
}

/** How often a feed looks at the log although no hint came: a lost hint costs at most this, in milliseconds. */
const POLL_MS = 2_000;

/**
 * Follows sessions for whoever wants to watch, with one reader of the log per session and process. Hints say when to
 * look, the log says what is there.
 */
export function createSessionFeeds(deps: SessionFeedsDeps, poll_ms: number = POLL_MS): SessionFeeds {
  const feeds = new Map<string, Feed>();
  const looks = createLooks(deps.log, deps.logger, poll_ms);

  function feedOf(ref: SessionRef): Feed {
    const key = `${ref.workspace_id}/${ref.session_id}`;
    const running = feeds.get(key);
    if (running !== undefined) return running;
    const feed = createFeed({ ...deps, looks }, ref, poll_ms, () => {
      if (feeds.get(key) === feed) feeds.delete(key);
    });
    feeds.set(key, feed);
    return feed;
  }

  return {
    open: (ref, reader, fromSeq) => feedOf(ref).follow(reader, fromSeq),
    async [Symbol.asyncDispose]() {
      looks[Symbol.dispose]();
      await Promise.all([...feeds.values()].map((feed) => feed.stop()));
    },
  };
}
