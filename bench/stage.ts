import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { createCleanup } from '../src/cleanup.ts';
import { startEmbeddedMongo } from '../src/embedded/mongo.ts';
import { startEmbeddedRedis } from '../src/embedded/redis.ts';
import { silentLogger } from '../src/logger.ts';
import { descendants } from '../test/support/processes.ts';
import type { LoadHandlers } from './load/main.ts';
import type { ModelHandlers } from './model/main.ts';
import { asIfElsewhere, type Child, startChild } from './processes/child.ts';
import type { ProbeHandlers } from './processes/probe.mjs';

/** A gateway or worker: the built program, as in production, with the probe inside. */
export interface Server extends Child<ProbeHandlers> {
  readonly role: 'gateway' | 'worker';
  /** Of a gateway; empty for a worker. */
  readonly url: string;
}

/** What every benchmark of a run shares: the services, the stand-in and the load generator. */
export interface Stage extends AsyncDisposable {
  readonly mongodb_uri: string;
  readonly redis_url: string;
  /** Null where the service is not this run's own. */
  readonly service_pids: { mongodb: number | null; redis: number | null };
  readonly model: Child<ModelHandlers>;
  readonly model_url: string;
  readonly load: Child<LoadHandlers>;
  /** An installation of its own: an empty database and as many processes as wanted. */
  house(env?: Record<string, string>): Promise<House>;
}

export interface House extends AsyncDisposable {
  readonly database: string;
  readonly api_key: string;
  readonly mongo: MongoClient;
  start(role: 'gateway' | 'worker', env?: Record<string, string>): Promise<Server>;
}

const START_MS = 120_000;
const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export async function openStage(): Promise<Stage> {
  const cleanup = createCleanup();
  try {
    const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-bench-'));
    cleanup.defer(() => rm(data_dir, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 }));
    const { mongodb_uri, redis_url } = await startServices(data_dir, cleanup);
    const own = (program: string) => descendants(process.pid).find((one) => one.command.includes(program))?.pid ?? null;
    const service_pids = {
      mongodb: process.env['MONGODB_URI'] === undefined ? (own('mongo-engine.mjs') ?? own('mongod ')) : null,
      redis: process.env['REDIS_URL'] === undefined ? own('redis-server') : null,
    };
    const environment = { PATH: process.env['PATH'] ?? '' };
    const model = asIfElsewhere(startChild<ModelHandlers>(['--import', 'tsx', path('model/main.ts')], environment));
    cleanup.defer(() => model.kill());
    const load = startChild<LoadHandlers>(['--import', 'tsx', path('load/main.ts')], environment);
    cleanup.defer(() => load.kill());
    const model_url = await model.call('base_url');
    return {
      mongodb_uri,
      redis_url,
      service_pids,
      model,
      model_url,
      load,
      async house(env = {}) {
        const house = await openHouse({ mongodb_uri, redis_url, model_url, data_dir }, env);
        // Whoever opened it closes it; this is for a run that is cut short.
        cleanup.defer(() => house[Symbol.asyncDispose]());
        return house;
      },
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]();
    throw error;
  }
}

async function startServices(
  data_dir: string,
  cleanup: ReturnType<typeof createCleanup>,
): Promise<{ mongodb_uri: string; redis_url: string }> {
  const options = { data_dir, logger: silentLogger };
  let { MONGODB_URI: mongodb_uri, REDIS_URL: redis_url } = process.env;
  if (mongodb_uri === undefined) {
    const mongo = await startEmbeddedMongo(options);
    cleanup.defer(() => mongo.close());
    mongodb_uri = mongo.uri;
  }
  if (redis_url === undefined) {
    const redis = await startEmbeddedRedis(options);
    cleanup.defer(() => redis.close());
    redis_url = redis.url;
  }
  return { mongodb_uri, redis_url };
}

async function openHouse(
  stage: { mongodb_uri: string; redis_url: string; model_url: string; data_dir: string },
  common: Record<string, string>,
): Promise<House> {
  const database = `bench_${randomBytes(6).toString('hex')}`;
  const api_key = 'bench-key-0123456789abcdef';
  const mongo = new MongoClient(stage.mongodb_uri);
  const cleanup = createCleanup();
  cleanup.defer(async () => {
    await mongo.db(database).dropDatabase();
    await mongo.close();
    await forgetKeys(stage.redis_url, database);
  });
  let started = 0;

  return {
    database,
    api_key,
    mongo,
    async start(role, env = {}) {
      const args = ['--expose-gc', '--import', path('processes/probe.mjs'), path('../dist/src/main.js'), role];
      const child = startChild<ProbeHandlers>(args, {
        PATH: process.env['PATH'] ?? '',
        HOME: stage.data_dir,
        NODE_ENV: 'production',
        PORT: '0',
        MONGODB_URI: stage.mongodb_uri,
        MONGODB_DATABASE: database,
        REDIS_URL: stage.redis_url,
        DECKHAND_API_KEY: api_key,
        // One directory per process: several of them stand for several machines.
        DECKHAND_DATA_DIR: join(stage.data_dir, database, `p${++started}`),
        ANTHROPIC_API_KEY: 'bench',
        ANTHROPIC_BASE_URL: stage.model_url,
        ...common,
        ...env,
      });
      // Not killed: a worker ends its sandboxes when it stops.
      cleanup.defer(() => child.stop());
      await child.says('Deckhand is running', START_MS);
      return Object.assign(child, { role, url: /Page: (\S+)/.exec(child.output())?.[1] ?? '' });
    },
    [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
  };
}

/** A house's keys in Redis have its database's name in them. */
async function forgetKeys(redis_url: string, database: string): Promise<void> {
  const redis = new Redis(redis_url);
  try {
    for await (const keys of redis.scanStream({ match: `*${database}*`, count: 1000 }) as AsyncIterable<string[]>) {
      if (keys.length > 0) await redis.unlink(...keys);
    }
  } finally {
    redis.disconnect();
  }
}
