import { setTimeout as sleepFor } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import { RateLimitedError } from './connector.ts';

/**
 * How fast a place may be called. A place is what a platform counts by: for posts a channel, for edits a workspace.
 *
 *   free      everybody calls as they like. A call that is refused as too many makes the place
 *   limited   for as long as the platform said nobody calls it. Whoever wants to waits, in the order of arrival; then they
 *             go one by one, each a while after the one before. A refusal makes all wait again. When nothing was refused for
 *             a minute, the place is free again.
 *
 * Every gateway keeps this for itself and tells the others of a refusal: one that does not hear of it learns with its own
 * next call. Other places are never held up.
 */
export interface Pace {
  /** Call when it is this place's time. @throws RateLimitedError when that is too long to wait for; else what `call` throws */
  run<T>(place: Place, call: () => Promise<T>, signal: AbortSignal): Promise<T>;
  /** Another gateway was refused there. */
  hear(name: string, wait_ms: number): void;
}

export interface Place {
  name: string;
  /** Least time between two calls while it is limited. */
  interval_ms: number;
}

export interface PaceDeps {
  now: () => number;
  /** A test's waiting. Rejects when the signal fires. */
  sleep?: (ms: number, signal: AbortSignal) => Promise<void>;
  /** A place has become limited, or is still. */
  onLimited(name: string, wait_ms: number): void;
}

/** Longest wait of one call. Who would wait longer makes room for others and comes again. */
export const LONGEST_WAIT_MS = 30_000;
/** So long after a refusal the place is free again, if there was no other. */
const CALM_MS = 60_000;
const MOST_PLACES = 10_000;

interface Limited {
  /** Nobody calls before. */
  until: number;
  free_at: number;
  waiting: number;
  /** Resolves when everybody who came so far has had their turn or left. */
  last: Promise<void>;
}

export function createPace({ now, onLimited, sleep = patiently }: PaceDeps): Pace {
  const places = new LRUCache<string, Limited>({ max: MOST_PLACES });

  function limitedAt(name: string): Limited | null {
    const place = places.get(name);
    if (place === undefined) return null;
    if (place.waiting > 0 || now() < place.free_at) return place;
    places.delete(name);
    return null;
  }

  function limit(name: string, wait_ms: number): Limited {
    const place = limitedAt(name) ?? { until: 0, free_at: 0, waiting: 0, last: Promise.resolve() };
    place.until = Math.max(place.until, now() + wait_ms);
    place.free_at = place.until + CALM_MS;
    places.set(name, place);
    return place;
  }

  function refused(name: string, error: unknown): Limited {
    if (!(error instanceof RateLimitedError)) throw error;
    onLimited(name, error.retry_after_ms);
    return limit(name, error.retry_after_ms);
  }

  /** @throws RateLimitedError */
  function refuseLongWait(place: Limited, before_ms = 0): void {
    const wait = place.until - now() + before_ms;
    if (wait > LONGEST_WAIT_MS) throw new RateLimitedError(wait);
  }

  async function untilDue(place: Limited, signal: AbortSignal): Promise<void> {
    for (let seen = Number.NaN; seen !== place.until; ) {
      refuseLongWait(place);
      seen = place.until;
      // Timers may be a little early.
      if (now() < seen) await sleep(seen - now() + 1, signal);
    }
  }

  async function inTurn<T>(
    { name, interval_ms }: Place,
    limited: Limited,
    call: () => Promise<T>,
    signal: AbortSignal,
  ) {
    refuseLongWait(limited, limited.waiting * interval_ms);
    const before = limited.last;
    let done: () => void = () => undefined;
    const mine = new Promise<void>((resolve) => {
      done = resolve;
    });
    limited.last = before.then(() => mine);
    limited.waiting += 1;
    try {
      await unlessAborted(before, signal);
      for (;;) {
        await untilDue(limited, signal);
        try {
          return await call();
        } catch (error) {
          refused(name, error);
        } finally {
          limited.until = Math.max(limited.until, now() + interval_ms);
        }
      }
    } finally {
      limited.waiting -= 1;
      done();
    }
  }

  return {
    async run(place, call, signal) {
      const limited = limitedAt(place.name);
      if (limited !== null) return inTurn(place, limited, call, signal);
      let refusal: Limited;
      try {
        return await call();
      } catch (error) {
        refusal = refused(place.name, error);
      }
      return inTurn(place, refusal, call, signal);
    },
    hear: (name, wait_ms) => void limit(name, wait_ms),
  };
}

async function patiently(ms: number, signal: AbortSignal): Promise<void> {
  await sleepFor(ms, undefined, { signal });
}

async function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  let stop: () => void = () => undefined;
  const aborted = new Promise<never>((_resolve, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener('abort', stop);
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener('abort', stop);
  }
}
