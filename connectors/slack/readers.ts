import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';
import type { ConversationKey } from '../../src/chat/place.ts';

type At = Pick<ConversationKey, 'tenant' | 'channel'>;

/** Whom a stream goes to: chat.startStream wants the team as well. */
export interface Reader {
  user_id: string;
  team_id: string;
}

/**
 * Who reads a direct conversation with the bot. What they wrote told us, and it is kept: another gateway than the one that
 * heard it may have to stream the answer.
 */
export interface Readers {
  /** Somebody wrote there. Resolves when that is kept, where it was not known. */
  heard(at: At, reader: Reader): Promise<void>;
  of(at: At): Promise<Reader | null>;
}

const MOST = 10_000;

/** @param db null: nothing outlives this process */
export function createReaders(db: Db | null): Readers {
  /** By tenant and channel, as JSON. */
  const readers: Collection<Reader & { _id: string }> | undefined = db?.collection('slack_readers');
  const known = new LRUCache<string, Reader>({ max: MOST });

  return {
    async heard({ tenant, channel }, { user_id, team_id }) {
      const key = JSON.stringify([tenant, channel]);
      const before = known.get(key);
      if (before?.user_id === user_id && before.team_id === team_id) return;
      known.set(key, { user_id, team_id });
      try {
        await readers?.updateOne({ _id: key }, { $set: { user_id, team_id } }, { upsert: true });
      } catch (error) {
        // The next message there tells it again.
        known.delete(key);
        throw error;
      }
    },

    async of({ tenant, channel }) {
      const key = JSON.stringify([tenant, channel]);
      const found = known.get(key) ?? (await readers?.findOne({ _id: key })) ?? null;
      if (found !== null) known.set(key, found);
      return found;
    },
  };
}
