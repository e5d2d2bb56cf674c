import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';
import type { Audience } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { ChannelTeams } from './channel-teams.ts';
import { isDirect } from './conversation-id.ts';

/** Whom a stream goes to: chat.startStream wants the team as well. */
export interface Reader {
  user_id: string;
  team_id: string;
}

/**
 * In which channels a live message streams; in direct messages it always does. `alone`: where the agent and one person talk,
 * as far as is known, because nobody else sees a stream grow (docs/slack.md).
 */
export type StreamChannels = 'alone' | 'always' | 'never';

/**
 * Who reads an answer as it is written. Of a direct conversation with the bot, what they wrote told us, and it is kept:
 * another gateway than the one that heard it may have to stream the answer. In a channel it is whom the answer is for.
 */
export interface Readers {
  /** Somebody wrote there. Resolves when that is kept, where it was not known. */
  heard(at: ConversationKey, reader: Reader): Promise<void>;
  /** Null: nobody to whom it may stream. */
  of(at: ConversationKey, audience: Audience | undefined): Promise<Reader | null>;
  /** Whether a message for them may stream there. @param audience undefined: not known, or nobody yet */
  allow(at: ConversationKey, audience: Audience | undefined): boolean;
}

interface ReadersParts {
  /** Null: nothing outlives this process. */
  db: Db | null;
  teams: Pick<ChannelTeams, 'of'>;
  channels: StreamChannels;
}

const MOST = 10_000;

export function createReaders({ db, teams, channels }: ReadersParts): Readers {
  /** By tenant and channel, as JSON. */
  const readers: Collection<Reader & { _id: string }> | undefined = db?.collection('slack_readers');
  const known = new LRUCache<string, Reader>({ max: MOST });

  async function direct({ tenant, channel }: ConversationKey): Promise<Reader | null> {
    const key = JSON.stringify([tenant, channel]);
    const found = known.get(key) ?? (await readers?.findOne({ _id: key })) ?? null;
    if (found !== null) known.set(key, found);
    return found;
  }

  function allow({ channel }: ConversationKey, audience: Audience | undefined): boolean {
    if (isDirect(channel) || channels === 'always') return true;
    return channels === 'alone' && audience?.several !== true;
  }

  return {
    allow,

    async heard({ tenant, channel }, { user_id, team_id }) {
      if (!isDirect(channel)) return;
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

    async of(at, audience) {
      if (isDirect(at.channel)) return direct(at);
      if (audience === undefined || !allow(at, audience)) return null;
      const team_id = await teams.of(at);
      return team_id === null ? null : { user_id: audience.to, team_id };
    },
  };
}
