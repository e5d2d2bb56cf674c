import { type Db, MongoClient } from 'mongodb';
import { inject } from 'vitest';
import type { NewEntry } from '../../src/session/event.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { type LoggedDocument, toDocument } from '../../src/session/log-document.ts';
import { planOf, type QueryPlan } from './queries.ts';

/** Let an empty log have these entries, as it lies there when they were all copied. Nothing is owed and nobody is told. */
export async function fillLog(db: Db, ref: SessionRef, entries: readonly NewEntry[]): Promise<void> {
  const created_at = new Date();
  const documents = entries.map((entry, index) => toDocument(ref, { seq: index + 1, created_at, ...entry }));
  await db.collection('session_events').insertMany(documents as object[]);
  await db
    .collection<LoggedDocument>('sessions')
    .updateOne({ _id: ref.session_id, 'log.seq': 0 }, { $set: { 'log.seq': entries.length } });
}

/** What MongoDB was asked since the last `take`. */
export interface Asked {
  /** Every command as `find sessions`: one round trip each. */
  commands: string[];
  /** How each query among them is done. */
  plans: QueryPlan[];
}

export interface WatchedDatabase extends AsyncDisposable {
  db: Db;
  take(): Promise<Asked>;
}

/** The same database over a connection of its own that is listened to. */
export async function watchDatabase(name: string): Promise<WatchedDatabase> {
  const client = await new MongoClient(inject('mongodb_uri'), { monitorCommands: true }).connect();
  const plain = await new MongoClient(inject('mongodb_uri')).connect();
  let started: Array<{ name: string; command: Record<string, unknown> }> = [];
  client.on('commandStarted', ({ commandName, command, databaseName }) => {
    if (databaseName === name && commandName !== 'endSessions') started.push({ name: commandName, command });
  });
  return {
    db: client.db(name),
    async take() {
      const taken = started;
      started = [];
      const plans: QueryPlan[] = [];
      for (const { command } of taken.filter((one) => one.name === 'find')) {
        const { lsid: _, $db: __, $clusterTime: ___, ...query } = command;
        plans.push(await planOf(plain.db(name), query));
      }
      return { commands: taken.map(({ name: of, command }) => `${of} ${String(command[of])}`), plans };
    },
    async [Symbol.asyncDispose]() {
      await client.close();
      await plain.close();
    },
  };
}
