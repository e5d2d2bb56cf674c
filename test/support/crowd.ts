import type { Db, Document } from 'mongodb';

/** Fields that name a thing or say where it belongs: what copies may not share. */
const NAMES = [
  '_id',
  'session_id',
  'conversation_id',
  'agent_id',
  'tool_use_id',
  'client_id',
  'delivery_id',
  'event_key',
  'message_key',
  'thread',
  'hash',
  'prefix',
  'key',
  'file_id',
  'user_id',
];

/** Most of what a house keeps is done with. */
const AT_REST: Record<string, Document> = {
  sessions: {
    'log.owed': false,
    'log.undelivered': false,
    'log.status': 'idle',
    'log.stop_reason': { type: 'end_turn' },
  },
  approvals: { status: 'allowed', appended: true, remind_at: null },
  deliveries: { state: 'posted' },
  inbound: { state: 'applied' },
};

/**
 * Let a database look like one that has been in use: each collection gets about this many more documents, copies of its
 * own that are at rest, in the same workspace; of ten that can be archived nine are.
 */
export async function crowd(db: Db, count: number): Promise<void> {
  for (const { name } of await db.listCollections().toArray()) {
    const collection = db.collection(name);
    const found = await collection.find().toArray();
    const copies = found.flatMap((document) =>
      Array.from({ length: Math.ceil(count / found.length) }, (_, number) => copyOf(document, number)),
    );
    if (copies.length === 0) continue;
    await collection.insertMany(copies, { ordered: false });
    const mark = { _id: { $regex: /~/ } };
    const rest = AT_REST[name];
    if (rest !== undefined) await collection.updateMany(mark as Document, { $set: rest });
  }
}

function copyOf(document: Document, number: number): Document {
  const copy = { ...document };
  for (const name of NAMES) if (name in copy) copy[name] = `${String(copy[name])}~${number}`;
  if ('archived_at' in copy) copy['archived_at'] = number % 10 === 0 ? null : new Date(0);
  return copy;
}
