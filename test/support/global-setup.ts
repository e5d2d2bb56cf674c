import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, readdir, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MongoClient } from 'mongodb';
import type { TestProject } from 'vitest/node';
import { startEmbeddedMongo } from '../../src/embedded/mongo.ts';
import { startEmbeddedRedis } from '../../src/embedded/redis.ts';
import { silentLogger } from '../../src/logger.ts';

declare module 'vitest' {
  interface ProvidedContext {
    mongodb_uri: string;
    redis_url: string;
  }
}

/** How often the engine is told to make a checkpoint. */
const CHECKPOINT_MS = 10_000;

/**
 * Every collection and index is a file that the engine keeps open, also after its database was dropped: a whole run would
 * reach the limit of open files (20,000 on some machines), at which the engine ends. Once they stand in a checkpoint, files
 * that were not used for a few seconds are closed.
 */
async function closeIdleFiles(uri: string): Promise<{ close(): Promise<void> }> {
  const client = await new MongoClient(uri).connect();
  const admin = client.db('admin');
  const files = 'file_manager=(close_idle_time=5,close_scan_interval=2,close_handle_minimum=500)';
  await admin.command({ setParameter: 1, wiredTigerEngineRuntimeConfig: files });
  const timer = setInterval(() => {
    admin.command({ fsync: 1 }).catch((error: unknown) => console.error('no checkpoint', error));
  }, CHECKPOINT_MS);
  return {
    async close() {
      clearInterval(timer);
      await client.close();
    },
  };
}

/** Linux's folder in memory, and what it and the machine must have free: a run has been seen to take 3 GB. */
const IN_MEMORY = '/dev/shm';
const ROOM = 8 * 2 ** 30;
const SPARE = 12 * 2 ** 30;
/** Followed by the process's id. */
const FOLDER = 'deckhand-test-';

/**
 * Where the run's MongoDB and Redis keep their data: in memory where there is plenty. A test makes a database with all its
 * indexes, each a file that is flushed; tests kill processes and never the machine, so no flush is anything to them.
 */
async function folderForData(): Promise<string> {
  const free = await statfs(IN_MEMORY).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return free >= ROOM && process.availableMemory() >= SPARE ? IN_MEMORY : tmpdir();
}

/** Memory that a run left behind when it was killed comes back to nobody by itself. */
async function removeLeftovers(): Promise<void> {
  const names = await readdir(IN_MEMORY).catch(() => []);
  const left = names.filter(
    (name) => name.startsWith(FOLDER) && !isAlive(Number.parseInt(name.slice(FOLDER.length), 10)),
  );
  await Promise.all(left.map((name) => rm(join(IN_MEMORY, name), { recursive: true, force: true })));
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Build the program that tests start as processes of their own. What is wrong with its types is for the check to say. */
async function build(): Promise<void> {
  const args = ['-p', 'tsconfig.build.json', '--incremental', '--tsBuildInfoFile', 'dist/tests.tsbuildinfo'];
  const child = spawn('node_modules/.bin/tsc', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const said = child.stdout.setEncoding('utf8').toArray();
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) console.warn(`tsc found something:\n${(await said).join('')}`);
}

/** One MongoDB and one Redis for the whole run: those of MONGODB_URI and REDIS_URL, else embedded ones in a folder of this run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  await removeLeftovers();
  const dataDir = await mkdtemp(join(await folderForData(), `${FOLDER}${process.pid}-`));
  const started: { close(): Promise<void> }[] = [];
  const helpers: { close(): Promise<void> }[] = [];
  const teardown = async () => {
    await Promise.all(helpers.map((helper) => helper.close()));
    await Promise.all(started.map((service) => service.close()));
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    await build();
    const { MONGODB_URI, REDIS_URL } = process.env;
    const logger = silentLogger;
    if (MONGODB_URI === undefined) {
      const mongo = await startEmbeddedMongo({ data_dir: dataDir, logger });
      started.push(mongo);
      // Where there is a mongod, it is not for the tests to set up.
      if (mongo.describe().includes('embedded')) helpers.push(await closeIdleFiles(mongo.uri));
      project.provide('mongodb_uri', mongo.uri);
    } else {
      project.provide('mongodb_uri', MONGODB_URI);
    }
    if (REDIS_URL === undefined) {
      const redis = await startEmbeddedRedis({ data_dir: dataDir, logger });
      started.push(redis);
      project.provide('redis_url', redis.url);
    } else {
      project.provide('redis_url', REDIS_URL);
    }
  } catch (error) {
    await teardown();
    throw error;
  }
  return teardown;
}
