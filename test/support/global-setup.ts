import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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

/** One MongoDB and one Redis for the whole run: those of MONGODB_URI and REDIS_URL, else embedded ones in a folder of this run. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const dataDir = await mkdtemp(join(tmpdir(), 'deckhand-test-'));
  const started: { close(): Promise<void> }[] = [];
  const teardown = async () => {
    await Promise.all(started.map((service) => service.close()));
    await rm(dataDir, { recursive: true, force: true });
  };
  try {
    const { MONGODB_URI, REDIS_URL } = process.env;
    const logger = silentLogger;
    if (MONGODB_URI === undefined) {
      const mongo = await startEmbeddedMongo({ data_dir: dataDir, logger });
      started.push(mongo);
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
