import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { writeDirective } from '../model/directive.ts';
import { nextNonce } from './turns.ts';
import { msBetween } from './v1-client.ts';

export interface Timed {
  each_ms: number[];
  elapsed_ms: number;
  /** All of them, with those that went before the measured ones. */
  runs: number;
}

/** The stand-in, called directly through the SDK, streaming, as the harness calls it. */
export async function callModel(request: { base_url: string; count: number; concurrency: number }): Promise<Timed> {
  const client = new Anthropic({ apiKey: 'bench', baseURL: request.base_url, maxRetries: 0 });
  return timed(request.count, request.concurrency, async () => {
    const nonce = nextNonce();
    const stream = client.beta.messages.stream({
      model: 'claude-sonnet-5-5',
      max_tokens: 1000,
      messages: [{ role: 'user', content: writeDirective({ nonce }) }],
    });
    const message = await stream.finalMessage();
    if (!JSON.stringify(message.content).includes(nonce)) throw new Error('The stand-in answered something else');
  });
}

/** One journaled insert, then one hop through BullMQ: what it takes at least to be durable and to reach a worker. */
export async function insertAndHop(request: {
  mongodb_uri: string;
  redis_url: string;
  database: string;
  count: number;
}): Promise<Timed> {
  const mongo = new MongoClient(request.mongodb_uri);
  const connection = () => new Redis(request.redis_url, { maxRetriesPerRequest: null });
  const [adding, taking] = [connection(), connection()];
  const prefix = `floor:${request.database}`;
  const queue = new Queue<{ id: string }>('floor', { connection: adding, prefix });
  const waiting = new Map<string, () => void>();
  const worker = new Worker<{ id: string }>('floor', async (job) => waiting.get(job.data.id)?.(), {
    connection: taking,
    prefix,
  });
  try {
    await worker.waitUntilReady();
    const inserts = mongo.db(request.database).collection<{ _id: string; text: string }>('floor', {
      writeConcern: { w: 'majority', journal: true },
    });
    return await timed(request.count, 1, async () => {
      const id = randomUUID();
      await inserts.insertOne({ _id: id, text: 'x'.repeat(200) });
      const arrived = new Promise<void>((resolve) => waiting.set(id, resolve));
      await queue.add('hop', { id }, { removeOnComplete: true, removeOnFail: true });
      await arrived;
      waiting.delete(id);
    });
  } finally {
    await worker.close();
    await queue.close();
    adding.disconnect();
    taking.disconnect();
    await mongo.close();
  }
}

/** Writes of a turn: the message, the lease with the request, the answer. */
export const WRITES = 3;

/** As many of the smallest journaled `findAndModify` as a turn needs, on documents with nothing else in them. */
export async function writesOfATurn(request: {
  mongodb_uri: string;
  database: string;
  count: number;
  concurrency: number;
}): Promise<Timed> {
  const mongo = new MongoClient(request.mongodb_uri);
  const logs = mongo.db(request.database).collection<{ _id: string; seq: number }>('floor_logs', {
    writeConcern: { w: 'majority', journal: true },
  });
  try {
    return await timed(request.count, request.concurrency, async () => {
      const _id = randomUUID();
      for (let write = 0; write < WRITES; write++) {
        await logs.findOneAndUpdate({ _id }, { $inc: { seq: 1 } }, { upsert: true });
      }
    });
  } finally {
    await mongo.close();
  }
}

/** Share of the runs that go before the measured ones. */
const WARM_UP = 0.2;

export async function timed(count: number, concurrency: number, run: () => Promise<void>): Promise<Timed> {
  const times = async (runs: number): Promise<number[]> => {
    const each: number[] = [];
    let left = runs;
    await Promise.all(
      Array.from({ length: concurrency }, async () => {
        while (left > 0) {
          left -= 1;
          const started = process.hrtime.bigint();
          await run();
          each.push(msBetween(started, process.hrtime.bigint()));
        }
      }),
    );
    return each;
  };
  const before = Math.ceil(count * WARM_UP);
  await times(before);
  const started = performance.now();
  const each_ms = await times(count);
  return { each_ms, elapsed_ms: performance.now() - started, runs: before + count };
}
