import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';
import { NotFoundError } from '../errors.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { monthOf } from '../session/log-document.ts';
import type { SessionDocument } from './session-document.ts';

/** What the sessions of one agent that one person began have cost. */
export interface Cost {
  agent_id: string;
  agent_name: string;
  /** Actor id; null: begun through the API. */
  started_by: string | null;
  /** Those that used anything. */
  sessions: number;
  /** List price. */
  cents: number;
}

export interface Costs {
  /**
   * What was spent in this calendar month (UTC), whenever its session began; by agent and by who began them. May be a minute
   * old. What was deleted does not count.
   */
  ofMonth(workspace_id: string, now: Date): Promise<Cost[]>;
}

const FRESH_MS = 60_000;

interface Group {
  _id: { agent_id: string; started_by?: string };
  agent_name: string;
  sessions: number;
  cents: number;
  /** Sessions of which it is not known what they had cost before the month. */
  unknown: string[];
}

/** Reads every session that spent something in the month, which is why it is remembered. */
export function createCosts(db: Db, log: Pick<SessionLog, 'query'>): Costs {
  const sessions: Collection<SessionDocument> = db.collection('sessions');
  const known = new LRUCache<string, Promise<Cost[]>>({ max: 1_000, ttl: FRESH_MS });

  async function sum(workspace_id: string, since: Date): Promise<Cost[]> {
    await nameMonths(workspace_id);
    for (;;) {
      const groups = await sessions.aggregate<Group>(spentSince(workspace_id, since)).toArray();
      const unknown = groups.flatMap((group) => group.unknown);
      if (unknown.length === 0) return groups.map(costOf);
      for (const session_id of unknown) await recall({ workspace_id, session_id }, since);
    }
  }

  /** Of sessions of before months were kept: the one in which they last did anything. */
  async function nameMonths(workspace_id: string): Promise<void> {
    const last = { $dateToString: { date: '$log.last_event_at', format: '%Y-%m', onNull: '' } };
    await sessions.updateMany({ workspace_id, 'log.spent_in': null }, [{ $set: { 'log.spent_in': last } }]);
  }

  /** What such a session had cost before the month, its log says. */
  async function recall(ref: SessionRef, since: Date): Promise<void> {
    try {
      const before = { types: ['session.usage'] as const, created: { lt: since }, order: 'desc' as const, limit: 1 };
      const [last] = await log.query({ ...ref, ...before });
      const cost = last?.event.type === 'session.usage' ? last.event.usage.list_cost : undefined;
      const month = monthOf(new Date(since.getTime() - 1));
      await sessions.updateOne(
        { _id: ref.session_id, workspace_id: ref.workspace_id },
        { $set: { [`log.spent_by.${month}`]: Number(cost?.amount ?? 0) } },
      );
    } catch (error) {
      // Deleted since.
      if (!(error instanceof NotFoundError)) throw error;
    }
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

function spentSince(workspace_id: string, since: Date): Record<string, unknown>[] {
  const month = monthOf(since);
  const months = { $objectToArray: { $ifNull: ['$log.spent_by', { $literal: {} }] } };
  const earlier = { $filter: { input: months, cond: { $lt: ['$$this.k', month] } } };
  const amount = { $toLong: { $ifNull: ['$log.usage.list_cost.amount', '0'] } };
  return [
    { $match: { workspace_id, 'log.spent_in': month } },
    {
      $project: {
        agent: 1,
        started_by: 1,
        total: { $ifNull: [`$log.spent_by.${month}`, amount] },
        // What it has cost only grows: the most is the latest. Null: there is no earlier month.
        before: {
          $ifNull: [
            { $max: { $map: { input: earlier, in: '$$this.v' } } },
            { $cond: [{ $gte: ['$created_at', since] }, 0, null] },
          ],
        },
      },
    },
    {
      $group: {
        _id: { agent_id: '$agent.id', started_by: '$started_by' },
        agent_name: { $last: '$agent.name' },
        sessions: { $sum: 1 },
        // Of null nothing is added. Workers' clocks may differ at the month's turn: nothing is given back for that.
        cents: { $sum: { $max: [0, { $subtract: ['$total', '$before'] }] } },
        unknown: { $push: { $cond: [{ $eq: ['$before', null] }, '$_id', '$$REMOVE'] } },
      },
    },
  ];
}

function costOf({ _id, agent_name, sessions, cents }: Group): Cost {
  return {
    agent_id: _id.agent_id,
    agent_name,
    started_by: _id.started_by ?? null,
    sessions,
    cents: Number(cents),
  };
}
