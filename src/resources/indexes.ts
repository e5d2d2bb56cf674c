import type { Db } from 'mongodb';

/** Indexes that the resources need; safe to call at every start. */
export async function createResourceIndexes(db: Db): Promise<void> {
  const newest = { workspace_id: 1, created_at: -1, _id: -1 } as const;
  await Promise.all([
    db.collection('agents').createIndexes([{ key: newest }]),
    db
      .collection('agent_versions')
      .createIndexes([{ key: { workspace_id: 1, agent_id: 1, version: -1 }, unique: true }]),
    db.collection('environments').createIndexes([{ key: newest }]),
    db
      .collection('sessions')
      .createIndexes([
        { key: newest },
        { key: { workspace_id: 1, 'agent.id': 1, created_at: -1, _id: -1 } },
        { key: { workspace_id: 1, environment_id: 1 } },
        { key: { conversation_id: 1 }, sparse: true },
      ]),
    // One document per key, whoever bootstraps it at the same moment.
    db.collection('api_keys').createIndexes([{ key: { hash: 1 }, unique: true }, { key: { prefix: 1 } }]),
  ]);
}
