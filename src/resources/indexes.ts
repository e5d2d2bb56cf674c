import type { Db, IndexDescription } from 'mongodb';
import { ACTIVE_OF_PERSON } from './active-sessions.ts';
import { createFileIndexes } from './file-store.ts';

/** Lists without what is archived: those are asked for most, and what is archived only grows. */
const OPEN = { partialFilterExpression: { archived_at: null } };

/** Indexes that the resources need; safe to call at every start. */
export async function createResourceIndexes(db: Db): Promise<void> {
  const newest = { workspace_id: 1, created_at: -1, _id: -1 } as const;
  const newestOfAgent = { workspace_id: 1, 'agent.id': 1, created_at: -1, _id: -1 } as const;
  const lists: IndexDescription[] = [{ key: newest }, { key: newest, name: 'open', ...OPEN }];
  await Promise.all([
    createFileIndexes(db),
    db.collection('agents').createIndexes(lists),
    db
      .collection('agent_versions')
      .createIndexes([{ key: { workspace_id: 1, agent_id: 1, version: -1 }, unique: true }]),
    db.collection('environments').createIndexes(lists),
    db.collection('sessions').createIndexes([
      ...lists,
      { key: newestOfAgent },
      { key: newestOfAgent, name: 'open_of_agent', ...OPEN },
      { key: { workspace_id: 1, environment_id: 1 } },
      { key: { workspace_id: 1, started_by: 1, created_at: -1, _id: -1 }, name: 'open_of_person', ...OPEN },
      ACTIVE_OF_PERSON,
      { key: { workspace_id: 1, 'log.lane': 1, created_at: -1, _id: -1 }, name: 'open_of_lane', ...OPEN },
      // Moves once a month: an append that stays in its month leaves it as it is.
      { key: { workspace_id: 1, 'log.spent_in': 1 } },
      // Nearly all sessions are idle: only who asks for the others would look through all of them.
      {
        key: { workspace_id: 1, 'log.status': 1, created_at: -1, _id: -1 },
        name: 'not_idle',
        partialFilterExpression: { 'log.status': { $in: ['running', 'rescheduling', 'terminated'] } },
      },
    ]),
    // One document per key, whoever bootstraps it at the same moment.
    db.collection('api_keys').createIndexes([{ key: { hash: 1 }, unique: true }, { key: { prefix: 1 } }]),
  ]);
}
