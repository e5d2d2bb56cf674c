import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { MongoClient } from 'mongodb';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startEmbeddedMongo } from '../../src/embedded/mongo.ts';
import { startEmbeddedRedis } from '../../src/embedded/redis.ts';
import { silentLogger } from '../../src/logger.ts';

const logger = silentLogger;
let dataDir: string;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'deckhand-embedded-'));
});

afterEach(async () => {
  await rm(dataDir, { recursive: true, force: true });
});

test('data survives a restart, and the socket is for this user alone', async () => {
  const first = await startEmbeddedMongo({ data_dir: dataDir, logger, mongod: null });
  await withClient(first.uri, (client) => client.db('d').collection('c').insertOne({ kept: 1 }));
  await first.close();
  await first.close();

  const second = await startEmbeddedMongo({ data_dir: dataDir, logger, mongod: null });
  const found = await withClient(second.uri, (client) => client.db('d').collection('c').findOne({ kept: 1 }));
  expect(found?.['kept']).toBe(1);
  expect(second.describe()).toContain('embedded MongoDB engine');
  await second.close();
});

test('a parent killed with -9 takes its services along, and acknowledged writes are there afterwards', async () => {
  const parent = spawn(process.execPath, ['--import', 'tsx', fixture('services-parent.ts'), dataDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string];
  const { uri } = JSON.parse(line) as { uri: string };
  await withClient(uri, (client) =>
    client
      .db('d')
      .collection('c')
      .insertOne({ kept: 1 }, { writeConcern: { w: 1, journal: true } }),
  );
  parent.kill('SIGKILL');
  await once(parent, 'exit');

  // Each start waits until the predecessor has let go; it would be refused if the orphan lived on.
  const mongo = await startEmbeddedMongo({ data_dir: dataDir, logger, mongod: null });
  const redis = await startEmbeddedRedis({ data_dir: dataDir, logger });
  expect(await withClient(mongo.uri, (client) => client.db('d').collection('c').countDocuments())).toBe(1);
  await Promise.all([mongo.close(), redis.close()]);
});

test('data written by mongod is not opened by the embedded engine', async () => {
  const engine = await startEmbeddedMongo({ data_dir: dataDir, logger, mongod: null });
  await engine.close();
  expect(await readFile(join(dataDir, 'mongo', 'ENGINE'), 'utf8')).toBe('embedded\n');
  // The program would fail at once, so an answer proves that the owner of the data was asked.
  const again = await startEmbeddedMongo({ data_dir: dataDir, logger, mongod: '/bin/false' });
  expect(again.describe()).toContain('embedded');
  await again.close();
});

test('a mongod that ends at once is an error with what it said and a remedy', async () => {
  await expect(startEmbeddedMongo({ data_dir: dataDir, logger, mongod: '/bin/false' })).rejects.toMatchObject({
    code: 'embedded_mongo',
    message: expect.stringContaining('mongod did not start (code 1)') as string,
    remedy: expect.stringContaining('MONGODB_URI') as string,
  });
});

async function withClient<T>(uri: string, use: (client: MongoClient) => Promise<T>): Promise<T> {
  const client = new MongoClient(uri);
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));
}
