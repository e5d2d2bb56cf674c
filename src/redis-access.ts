import { once } from 'node:events';
import type { Redis } from 'ioredis';
import { DeckhandError, messageOf } from './errors.ts';

/** How long a start waits to hear from Redis, which may also come later. In milliseconds. */
const PATIENCE_MS = 2_000;
/** Redis' own words for who may not come in, or may not do what Deckhand does. */
const TURNED_AWAY = /^(WRONGPASS|NOAUTH|NOPERM|ERR AUTH|ERR invalid password)/;

/**
 * Redis may be away at a start and come later; one that turns us away will not change its mind.
 * @throws DeckhandError that names REDIS_URL
 */
export async function refuseWrongCredentials(redis: Redis): Promise<void> {
  try {
    await once(redis, 'ready', { signal: AbortSignal.timeout(PATIENCE_MS) });
    // Whom Redis lets in may still not be allowed anything.
    await redis.ping();
  } catch (cause) {
    const reason = messageOf(cause);
    if (!TURNED_AWAY.test(reason)) return;
    throw new DeckhandError('redis_refused', `Redis refuses Deckhand: ${reason.split('.', 1)[0]}.`, {
      cause,
      remedy: 'Check the user name and the password in REDIS_URL (redis://user:password@host:port).',
    });
  }
}
