import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
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

test('what is written survives a restart', async () => {
  const first = await startEmbeddedRedis({ data_dir: dataDir, logger });
  await withRedis(first.url, (redis) => redis.set('kept', 'yes'));
  await first.close();

  const second = await startEmbeddedRedis({ data_dir: dataDir, logger });
  expect(await withRedis(second.url, (redis) => redis.get('kept'))).toBe('yes');
  await second.close();
});

test('no TCP port is open, and nothing is evicted', async () => {
  const service = await startEmbeddedRedis({ data_dir: dataDir, logger });
  const [port, policy] = await withRedis(service.url, async (redis) => [
    await redis.config('GET', 'port'),
    await redis.config('GET', 'maxmemory-policy'),
  ]);
  expect(port).toEqual(['port', '0']);
  expect(policy).toEqual(['maxmemory-policy', 'noeviction']);
  await service.close();
});

test('a data directory with a long path gets its socket elsewhere', async () => {
  const longDir = join(dataDir, 'x'.repeat(120));
  const service = await startEmbeddedRedis({ data_dir: longDir, logger });
  expect(await withRedis(service.url, (redis) => redis.ping())).toBe('PONG');
  await service.close();
});

async function withRedis<T>(url: string, use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(url);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}
