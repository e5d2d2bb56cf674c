import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inject } from 'vitest';
import { type HouseProcess, startHouseProcess } from './house-process.ts';
import { type TestDatabase, testDatabase } from './services.ts';

export type { HouseProcess };

/** A database, a data directory and as many processes over them as a test likes. */
export interface House extends AsyncDisposable {
  database: TestDatabase;
  data_dir: string;
  api_key: string;
  start(role?: 'gateway' | 'worker', env?: Record<string, string>): Promise<HouseProcess>;
}

export async function buildHouse(common: Record<string, string> = {}): Promise<House> {
  const database = await testDatabase();
  const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-house-'));
  const api_key = 'test-key-0123456789abcdef';
  const started: Promise<HouseProcess>[] = [];

  return {
    database,
    data_dir,
    api_key,
    start(role, env = {}) {
      const process = startHouseProcess(role, {
        HOME: data_dir,
        PORT: '0',
        MONGODB_URI: inject('mongodb_uri'),
        MONGODB_DATABASE: database.name,
        REDIS_URL: inject('redis_url'),
        DECKHAND_API_KEY: api_key,
        // One directory per process: several of them stand for several machines.
        DECKHAND_DATA_DIR: join(data_dir, `p${started.length + 1}`),
        DECKHAND_LEASE_MS: '2000',
        DECKHAND_SWEEP_MS: '200',
        DECKHAND_RETRY_MS: '50',
        LOG_LEVEL: 'info',
        ...common,
        ...env,
      });
      started.push(process);
      return process;
    },
    async [Symbol.asyncDispose]() {
      for (const outcome of await Promise.allSettled(started)) {
        if (outcome.status === 'fulfilled') await outcome.value.kill();
      }
      // Embedded services end a moment after the process that started them, and write until then.
      await rm(data_dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });
      await database[Symbol.asyncDispose]();
    },
  };
}
