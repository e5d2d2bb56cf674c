import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';
import type { SessionDocument } from './session-document.ts';

/** What the sessions of one agent that one person began have cost. */
export interface Cost {
  agent_id: string;
  agent_name: string;
  /** Actor id; null: begun through the API. */
  started_by: string | null;
  sessions: number;
  /** List price. */
  cents: number;
}

export interface Costs {
  /**
   * Of the sessions that were begun in this calendar month (UTC), whenever they ran; by agent and by who began them. May
   * be a minute old.
   */
  ofMonth(workspace_id: string, now: Date): Promise<Cost[]>;
}

const FRESH_MS = 60_000;

/** Reads every session of the month, which is why it is remembered. */
export function createCosts(db: Db): Costs {
  const sessions: Collection<SessionDocument> = db.collection('sessions');
  const known = new LRUCache<string, Promise<Cost[]>>({ max: 1_000, ttl: FRESH_MS });

  async function sum(workspace_id: string, since: Date): Promise<Cost[]> {
    const amount = { $toLong: { $ifNull: ['$log.usage.list_cost.amount', '0'] } };
    const found = await sessions
      .aggregate<Omit<Cost, 'agent_id' | 'started_by'> & { _id: { agent_id: string; started_by?: string } }>([
        { $match: { workspace_id, created_at: { $gte: since } } },
        {
          $group: {
            _id: { agent_id: '$agent.id', started_by: '$started_by' },
            agent_name: { $last: '$agent.name' },
            sessions: { $sum: 1 },
            cents: { $sum: amount },
          },
        },
      ])
      .toArray();
    return found.map(({ _id, agent_name, sessions: count, cents }) => ({
      agent_id: _id.agent_id,
      agent_name,
      started_by: _id.started_by ?? null,
      sessions: count,
      cents: Number(cents),
    }));
  }

  return {
    async ofMonth(workspace_id, now) {
      const since = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), 1));
      const key = JSON.stringify([workspace_id, since]);
      const fresh = known.get(key);
      if (fresh !== undefined) return fresh;
      const asked = sum(workspace_id, since);
      known.set(key, asked);
      // A failure is asked again.
      asked.catch(() => known.delete(key));
      return asked;
    },
  };
}
