import { messageOf, NotFoundError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { LogEntry } from './event.ts';
import { type Hints, type PreviewEvent, parseSessionHint, subscribeClosely } from './hints.ts';
import type { SessionLog, SessionRef } from './log.ts';
import type { Looks } from './looks.ts';
import { droppedOf, previewedId } from './previews.ts';

/** Somebody who follows a session. None of these may block; one that throws is logged and kept. */
export interface FeedReader {
  /**
   * Every entry after where the reader began: in order, none missing, none twice. A reader that cannot take more now
   * returns a promise: until it resolves, nothing is kept for it; what it misses is then read from the log, and previews
   * are gone.
   */
  onEntries(entries: readonly LogEntry[]): Promise<void> | undefined;
  /** Best effort; never after the event that it previews. */
  onPreview?(event: PreviewEvent): void;
  /** The session is gone; nothing follows. */
  onDeleted?(): void;
  /** This process follows sessions no longer: what comes now, somebody else has to tell. */
  onStopped?(): void;
}

/** Entries of one read. */
const BATCH = 500;

/** The same for a reader that takes its time: nobody else shares what is read for it. */
const SLOW_BATCH = 20;

/** Previews that wait while the log is read; of more, none is of use. */
const MAX_PREVIEWS = 1_000;

/** Events whose late previews are still recognised. */
const REMEMBERED_EVENTS = 256;

export interface FeedDeps {
  log: Pick<SessionLog, 'head' | 'readPage'>;
  hints: Pick<Hints, 'subscribe'>;
  /** Where a hint was lost, the feed hears of it from here. */
  looks: Pick<Looks, 'watch'>;
  logger: Logger;
}

interface Follower {
  reader: FeedReader;
  /** The last entry it has. */
  seen: number;
  /** False while it is still being given what stood in the log before it came. */
  live: boolean;
}

export interface Feed {
  follow(reader: FeedReader, fromSeq: number | undefined): Promise<() => Promise<void>>;
  stop(): Promise<void>;
}

export function createFeed(deps: FeedDeps, ref: SessionRef, poll_ms: number, onEnd: () => void): Feed {
  const followers = new Set<Follower>();
  const finished = new Set<string>();
  let previews: PreviewEvent[] = [];
  let seq = 0;
  let pulling: Promise<void> | null = null;
  let again = false;
  let ended = false;
  let unsubscribe: (() => Promise<void>) | null = null;
  let timer: NodeJS.Timeout | undefined;
  let unwatch = (): void => undefined;
  const started = start();
  // Whoever opens the feed hears of it; nobody else does.
  started.catch(() => end());

  async function start(): Promise<void> {
    await subscribe();
    // After the subscription: what is appended from here on is either in this head or announced.
    seq = (await deps.log.head(ref)).seq;
    if (ended) return;
    const look = () => void pull();
    unwatch = deps.looks.watch(ref, { seq: () => seq, behind: look, gone: look });
  }

  async function subscribe(): Promise<void> {
    try {
      const stop = await subscribeClosely(deps.hints, ref.session_id, onHint);
      if (ended) await stop();
      else unsubscribe = stop;
    } catch (error) {
      deps.logger.warn({ ...ref, reason: messageOf(error) }, 'no hints; the session is looked at now and then');
      if (!ended) timer = setTimeout(() => void subscribe(), poll_ms).unref();
    }
  }

  function onHint(message: string): void {
    const hint = parseSessionHint(message);
    if (hint === null || ended) return;
    if (hint.type === 'preview') {
      if (previews.length >= MAX_PREVIEWS) previews = droppedOf(previews);
      previews.push(hint.event);
      // What was announced before it comes first.
      if (pulling === null) flushPreviews();
    } else if (hint.type === 'deleted') void pull();
    else if (hint.seq > seq && !accept(hint.entries)) void pull();
  }

  /** Whether the hint brought just what was missing. While the log is being read, that says what comes next. */
  function accept(entries: LogEntry[] | undefined): boolean {
    if (pulling !== null || entries?.[0]?.seq !== seq + 1) return false;
    deliver(entries);
    return true;
  }

  function deliver(entries: readonly LogEntry[]): void {
    seq = entries.at(-1)?.seq ?? seq;
    for (const { event } of entries) remember(event.id);
    for (const follower of followers) if (follower.live) give(follower, entries);
  }

  /** Read what is new. Never rejects; a request during a read makes it read once more. */
  function pull(): Promise<void> {
    again = pulling !== null;
    pulling ??= (async () => {
      await started;
      do {
        again = false;
        await readOn();
      } while (again);
    })()
      .catch((error: unknown) => {
        if (error instanceof NotFoundError) return gone();
        deps.logger.warn({ ...ref, reason: messageOf(error) }, 'could not read the session; the next look tries again');
      })
      .finally(() => {
        pulling = null;
        flushPreviews();
      });
    return pulling;
  }

  async function readOn(): Promise<void> {
    for (;;) {
      const { entries, more } = await deps.log.readPage(ref, seq, BATCH);
      if (entries.length === 0 || ended) return;
      deliver(entries);
      if (!more) return;
    }
  }

  function remember(event_id: string): void {
    finished.add(event_id);
    for (const oldest of finished) {
      if (finished.size <= REMEMBERED_EVENTS) return;
      finished.delete(oldest);
    }
  }

  function give(follower: Follower, entries: readonly LogEntry[]): void {
    const news = entries.filter((entry) => entry.seq > follower.seen);
    const last = news.at(-1);
    if (last === undefined) return;
    follower.seen = last.seq;
    const taken = guard(() => follower.reader.onEntries(news));
    if (taken === undefined) return;
    follower.live = false;
    void taken.then(() => catchUp(follower, SLOW_BATCH)).catch((error: unknown) => catchUpLater(follower, error));
  }

  /** Give a follower what the log has and it has not, and from then on what comes. It is not live meanwhile. */
  async function catchUp(follower: Follower, batch: number): Promise<void> {
    while (follower.seen < seq && followers.has(follower)) {
      const { entries } = await deps.log.readPage(ref, follower.seen, batch);
      const last = entries.at(-1);
      if (last === undefined) break;
      follower.seen = last.seq;
      await guard(() => follower.reader.onEntries(entries));
    }
    follower.live = true;
  }

  function catchUpLater(follower: Follower, error: unknown): void {
    if (ended || error instanceof NotFoundError || !followers.has(follower)) return;
    deps.logger.warn({ ...ref, reason: messageOf(error) }, 'could not read the session; the next look tries again');
    setTimeout(() => {
      catchUp(follower, SLOW_BATCH).catch((again: unknown) => catchUpLater(follower, again));
    }, poll_ms).unref();
  }

  function flushPreviews(): void {
    const waiting = previews;
    previews = [];
    for (const event of waiting) {
      if (finished.has(previewedId(event))) continue;
      for (const { live, reader } of followers) if (live) guard(() => reader.onPreview?.(event));
    }
  }

  function guard<T>(call: () => T): T | undefined {
    try {
      return call();
    } catch (err) {
      deps.logger.error({ ...ref, err }, 'a reader of a session feed failed');
      return undefined;
    }
  }

  async function stop(): Promise<void> {
    const told = [...followers];
    const done = end();
    for (const { reader } of told) guard(() => reader.onStopped?.());
    await done;
  }

  async function gone(): Promise<void> {
    const told = [...followers];
    await end();
    for (const { reader } of told) guard(() => reader.onDeleted?.());
  }

  async function end(): Promise<void> {
    if (ended) return;
    ended = true;
    onEnd();
    clearTimeout(timer);
    unwatch();
    followers.clear();
    await unsubscribe?.().catch(() => undefined);
  }

  return {
    stop,
    async follow(reader, fromSeq) {
      const follower: Follower = { reader, seen: fromSeq ?? 0, live: false };
      // Before anything is awaited: a feed with a follower does not end.
      followers.add(follower);
      const leave = async (): Promise<void> => {
        followers.delete(follower);
        if (followers.size === 0) await end();
      };
      try {
        await started;
        if (fromSeq === undefined) follower.seen = (await deps.log.head(ref)).seq;
        // Not waited for: a reader may take nothing before this has resolved.
        catchUp(follower, BATCH).catch((error: unknown) => catchUpLater(follower, error));
        // The feed itself may be behind, if a hint was lost.
        if (fromSeq !== undefined) void pull();
      } catch (error) {
        await leave();
        throw error;
      }
      return leave;
    },
  };
}
