import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';
import type { ConversationKey } from './place.ts';

const CHANNEL_SETTINGS = 'channel_settings';
/** How long another gateway's change may go unnoticed. */
const FRESH_MS = 5_000;

/**
 * Which messages without a mention are meant for the agent: none, those in a thread that it is in, or all of the channel.
 */
export const REPLY_MODES = ['mention_only', 'thread', 'automatic'] as const;
export type ReplyMode = (typeof REPLY_MODES)[number];

/** A channel of a platform, with everything that is said in it. */
export type ChannelKey = Pick<ConversationKey, 'connector' | 'tenant' | 'channel'>;

/** What people have set for one channel. */
export interface ChannelSettings extends ChannelKey {
  workspace_id: string;
  /** Who answers where nobody else was named or spoken to; null: the workspace's default agent. */
  agent_id: string | null;
  /** Actor id of whoever chose that agent; null: nobody did, or it is not known. */
  set_by: string | null;
  reply_mode: ReplyMode;
}

export interface ChannelSettingsStore {
  /** May be `FRESH_MS` old. */
  of(workspace_id: string, channel: ChannelKey): Promise<ChannelSettings>;
  change(
    workspace_id: string,
    channel: ChannelKey,
    change: Partial<Pick<ChannelSettings, 'agent_id' | 'set_by' | 'reply_mode'>>,
  ): Promise<ChannelSettings>;
  /** The channels whose default this agent is, at most 100. */
  withAgent(workspace_id: string, agent_id: string): Promise<ChannelSettings[]>;
}

type Stored = ChannelSettings & { _id: string };

/** Indexes that channel settings need; safe to call at every start. */
export async function createChannelSettingsIndexes(db: Db): Promise<void> {
  await db.collection(CHANNEL_SETTINGS).createIndex({ workspace_id: 1, agent_id: 1 });
}

export function createChannelSettings(db: Db): ChannelSettingsStore {
  const settings: Collection<Stored> = db.collection(CHANNEL_SETTINGS, {
    writeConcern: { w: 'majority', journal: true },
  });
  const known = new LRUCache<string, Promise<ChannelSettings>>({ max: 10_000, ttl: FRESH_MS });

  return {
    async of(workspace_id, channel) {
      const id = idOf(workspace_id, channel);
      const fresh = known.get(id);
      if (fresh !== undefined) return fresh;
      // Whoever asks meanwhile waits for the same answer.
      const asked = settings.findOne({ _id: id }).then((found) => shown(found ?? unset(workspace_id, channel)));
      known.set(id, asked);
      asked.catch(() => known.delete(id));
      return asked;
    },

    async change(workspace_id, channel, change) {
      const id = idOf(workspace_id, channel);
      const before = unset(workspace_id, channel);
      const untouched = Object.fromEntries(Object.entries(before).filter(([name]) => !(name in change)));
      await settings.updateOne({ _id: id }, { $set: change, $setOnInsert: untouched }, { upsert: true });
      known.delete(id);
      return this.of(workspace_id, channel);
    },

    async withAgent(workspace_id, agent_id) {
      const found = await settings.find({ workspace_id, agent_id }).limit(100).toArray();
      return found.map(shown);
    },
  };
}

function idOf(workspace_id: string, { connector, tenant, channel }: ChannelKey): string {
  return JSON.stringify([workspace_id, connector, tenant, channel]);
}

function unset(workspace_id: string, { connector, tenant, channel }: ChannelKey): ChannelSettings {
  return { workspace_id, connector, tenant, channel, agent_id: null, set_by: null, reply_mode: 'mention_only' };
}

/** Who set a channel was not always kept. */
function shown(stored: Omit<ChannelSettings, 'set_by'> & Partial<ChannelSettings>): ChannelSettings {
  const { workspace_id, connector, tenant, channel, agent_id, set_by = null, reply_mode } = stored;
  return { workspace_id, connector, tenant, channel, agent_id, set_by, reply_mode };
}
