import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { type EmbeddedMongo, startEmbeddedMongo } from '../../../src/embedded/mongo.ts';
import { type EmbeddedRedis, startEmbeddedRedis } from '../../../src/embedded/redis.ts';
import { silentLogger } from '../../../src/logger.ts';
import { type Gate, mongoGate, redisGate } from '../gate/gate.ts';
import type { MongoCommand } from '../gate/mongo-wire.ts';
import type { RedisCommand } from '../gate/redis-wire.ts';
import { processes } from '../processes.ts';

type Service = 'mongodb' | 'redis';

/** A time in which whoever used a service met trouble, in milliseconds since the epoch. */
export interface Outage {
  service: Service;
  kind: 'killed' | 'cut' | 'answer lost';
  from: number;
  /** Null: it is not over. */
  until: number | null;
}

/** A MongoDB and a Redis that may be killed and started again, always at the same address. */
export interface OwnServices extends AsyncDisposable {
  mongodb: Gate<MongoCommand>;
  redis: Gate<RedisCommand>;
  /** kill -9, and a new one over the same data. */
  killMongodb(): Promise<void>;
  /** The same, or with nothing of what it held. */
  killRedis(options: { keep_data: boolean }): Promise<void>;
  flushRedis(): Promise<void>;
  /** No connection for `ms`, without waiting for the end of it. */
  cut(service: Service, ms: number): void;
  /** The next write is carried out, and whoever made it never hears of it. */
  loseAnswer(service: Service): void;
  /** All that there were so far. */
  outages: Outage[];
}

const MONGODB_WRITES = new Set(['insert', 'update', 'findAndModify', 'delete']);
/** BullMQ's scripts, and what is published. */
const REDIS_WRITES = new Set(['EVALSHA', 'EVAL', 'PUBLISH']);

export async function startOwnServices(data_dir: string): Promise<OwnServices> {
  const options = { data_dir, logger: silentLogger };
  let mongodb: EmbeddedMongo = await startEmbeddedMongo(options);
  let redis: EmbeddedRedis = await startEmbeddedRedis(options);
  const links = { mongodb: await mongoGate(mongodb.uri), redis: await redisGate(redis.url) };

  const outages: Outage[] = [];
  function begin(service: Service, kind: Outage['kind']): () => void {
    const outage: Outage = { service, kind, from: Date.now(), until: null };
    outages.push(outage);
    return () => {
      outage.until = Date.now();
    };
  }

  return {
    ...links,
    outages,
    cut(service, ms) {
      const end = begin(service, 'cut');
      links[service].cut();
      setTimeout(() => {
        links[service].mend();
        end();
      }, ms);
    },
    async killMongodb() {
      const end = begin('mongodb', 'killed');
      killServer(join(data_dir, 'mongo'));
      await mongodb.close();
      mongodb = await startEmbeddedMongo(options);
      links.mongodb.lead(mongodb.uri);
      end();
    },
    async killRedis({ keep_data }) {
      const end = begin('redis', 'killed');
      killServer(join(data_dir, 'run', 'redis'));
      await redis.close();
      if (!keep_data) await rm(join(data_dir, 'redis'), { recursive: true, force: true });
      redis = await startEmbeddedRedis(options);
      links.redis.lead(redis.url);
      end();
    },
    async flushRedis() {
      const client = new Redis(redis.url, { maxRetriesPerRequest: null });
      await client.flushall();
      client.disconnect();
    },
    loseAnswer(service) {
      const once = (isWrite: (name: string) => boolean) => (command: { name: string }) => {
        if (!isWrite(command.name)) return false;
        // The gate asks for each command, and this one was the one.
        queueMicrotask(() => stop());
        begin(service, 'answer lost')();
        return true;
      };
      const stop: () => void =
        service === 'mongodb'
          ? links.mongodb.loseAnswers(once((name) => MONGODB_WRITES.has(name)))
          : links.redis.loseAnswers(once((name) => REDIS_WRITES.has(name)));
    },
    async [Symbol.asyncDispose]() {
      await links.mongodb[Symbol.asyncDispose]();
      await links.redis[Symbol.asyncDispose]();
      await redis.close();
      await mongodb.close();
    },
  };
}

/** This process's child that has this path in its command line. @throws when there is none */
function killServer(path: string): void {
  const server = processes().find((one) => one.parent === process.pid && one.command.includes(path));
  if (server === undefined) throw new Error(`No server of this process works on ${path}`);
  process.kill(server.pid, 'SIGKILL');
}
