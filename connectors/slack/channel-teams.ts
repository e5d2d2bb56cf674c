import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';
import type { ConversationKey } from '../../src/chat/place.ts';
import type { Identity } from './parse.ts';

type At = Pick<ConversationKey, 'tenant' | 'channel'>;

interface StoredChannel {
  /** Tenant and channel, as JSON. */
  _id: string;
  tenant: string;
  team_id: string;
}

/**
 * In which of an organisation's workspaces its channels are. Its one token is for all of them, and Slack wants to be told
 * which one a user group is of. What somebody said told us, and it is kept: who decides may come after a restart.
 */
export interface ChannelTeams {
  createIndexes(): Promise<void>;
  /** Something was said there. Resolves when that is kept, where it was not known. */
  heard(at: At, identity: Identity): Promise<void>;
  /** The workspace of a channel; null: of an organisation's, where nobody has spoken yet. */
  of(at: At): Promise<string | null>;
  /**
   * The workspaces that may be asked about a group, the channel's own first, and at most twenty: each is a call. Undefined
   * stands for the only one that there is.
   */
  around(at: { tenant: string; channel: string | null }): Promise<(string | undefined)[]>;
}

const MOST_CHANNELS = 10_000;
const MOST_ASKED = 20;

/** @param db null: nothing outlives this process */
export function createChannelTeams(db: Db | null): ChannelTeams {
  const channels: Collection<StoredChannel> | undefined = db?.collection('slack_channels');
  const known = new LRUCache<string, StoredChannel>({ max: MOST_CHANNELS });

  async function teamOf(key: string): Promise<string | undefined> {
    const found = known.get(key) ?? (await channels?.findOne({ _id: key }));
    if (found) known.set(key, found);
    return found?.team_id;
  }

  async function teamsIn(tenant: string): Promise<string[]> {
    const here = [...known.values()].filter((one) => one.tenant === tenant).map(({ team_id }) => team_id);
    return [...here, ...((await channels?.distinct('team_id', { tenant })) ?? [])];
  }

  return {
    async createIndexes() {
      await channels?.createIndex({ tenant: 1, team_id: 1 });
    },

    async heard({ tenant, channel }, { team_id, enterprise_id }) {
      const key = keyOf(tenant, channel);
      if (tenant !== enterprise_id || known.get(key)?.team_id === team_id) return;
      known.set(key, { _id: key, tenant, team_id });
      try {
        await channels?.updateOne({ _id: key }, { $set: { tenant, team_id } }, { upsert: true });
      } catch (error) {
        // The next message there tells it again.
        known.delete(key);
        throw error;
      }
    },

    async of({ tenant, channel }) {
      return (await teamOf(keyOf(tenant, channel))) ?? (tenant.startsWith('E') ? null : tenant);
    },

    async around({ tenant, channel }) {
      const own = channel === null ? undefined : await teamOf(keyOf(tenant, channel));
      const teams = new Set([...(own === undefined ? [] : [own]), ...(await teamsIn(tenant))]);
      return teams.size === 0 ? [undefined] : [...teams].slice(0, MOST_ASKED);
    },
  };
}

function keyOf(tenant: string, channel: string): string {
  return JSON.stringify([tenant, channel]);
}
