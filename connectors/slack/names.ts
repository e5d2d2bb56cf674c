import { LRUCache } from 'lru-cache';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { SlackClient } from './client.ts';
import type { Names } from './mrkdwn.ts';

const HOUR_MS = 3_600_000;
/** What a person said waits for their name no longer. */
const LOOKUP_MS = 1_000;

/** Display names by users.info, kept for an hour. A failed lookup answers with the id and is asked again next time. */
export function createNames(client: SlackClient, logger: Logger): Names {
  const known = new LRUCache<string, string>({ max: 10_000, ttl: HOUR_MS });
  const asked = new Map<string, Promise<string>>();

  async function lookup(id: string): Promise<string> {
    try {
      const { user } = await client.call((web) => web.users.info({ user: id }), AbortSignal.timeout(LOOKUP_MS));
      const name = user?.profile?.display_name || user?.profile?.real_name || user?.real_name || user?.name;
      if (!name) return id;
      known.set(id, name);
      return name;
    } catch (error) {
      logger.warn({ user: id, reason: messageOf(error) }, 'user name not found, showing the id');
      return id;
    } finally {
      asked.delete(id);
    }
  }

  return {
    async user(id) {
      const name = known.get(id);
      if (name !== undefined) return name;
      const pending = asked.get(id) ?? lookup(id);
      asked.set(id, pending);
      return pending;
    },
  };
}
