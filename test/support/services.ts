import { randomBytes } from 'node:crypto';
import { type Db, MongoClient } from 'mongodb';
import { afterAll, inject } from 'vitest';

let shared: MongoClient | undefined;

afterAll(async () => {
  await shared?.close();
  shared = undefined;
});

export interface TestDatabase extends AsyncDisposable {
  readonly db: Db;
  /** Shared by all databases of this test file; closed after its last test. */
  readonly client: MongoClient;
  readonly name: string;
}

/** An empty database of the run's MongoDB, dropped on dispose. Call it in a test or a hook of this file. */
export async function testDatabase(): Promise<TestDatabase> {
  shared ??= new MongoClient(inject('mongodb_uri'));
  const client = await shared.connect();
  const name = `t_${randomBytes(8).toString('hex')}`;
  const db = client.db(name);
  return {
    db,
    client,
    name,
    async [Symbol.asyncDispose]() {
      await db.dropDatabase();
    },
  };
}

/** The run's Redis and a key prefix that no other test uses. The URL is for ioredis and BullMQ. */
export function testRedis(): { url: string; prefix: string } {
  return { url: inject('redis_url'), prefix: `t_${randomBytes(8).toString('hex')}` };
}
