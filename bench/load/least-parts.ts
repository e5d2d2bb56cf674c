import { randomUUID } from 'node:crypto';
import Anthropic from '@anthropic-ai/sdk';
import type { BetaMessageParam } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { MongoClient } from 'mongodb';
import { writeDirective } from '../model/directive.ts';
import { nextNonce } from './turns.ts';

/** The services of this run, and the stand-in. */
export interface Addresses {
  mongodb_uri: string;
  redis_url: string;
  database: string;
  base_url: string;
}

export interface Writes extends AsyncDisposable {
  /** The smallest journaled `findAndModify`, on a document with nothing else in it; the first to name it inserts it. */
  write(id: string): Promise<void>;
}

export function openWrites({ mongodb_uri, database }: Addresses): Writes {
  const mongo = new MongoClient(mongodb_uri);
  const logs = mongo.db(database).collection<{ _id: string; seq: number }>('floor_logs', {
    writeConcern: { w: 'majority', journal: true },
  });
  return {
    async write(_id) {
      await logs.findOneAndUpdate({ _id }, { $inc: { seq: 1 } }, { upsert: true });
    },
    [Symbol.asyncDispose]: () => mongo.close(),
  };
}

export interface Hops extends AsyncDisposable {
  /** Resolves when a worker has been given what is put into the queue here. */
  hop(): Promise<void>;
}

/** A queue of BullMQ's and its worker, which takes so many jobs at once. */
export async function openHops({ redis_url, database }: Addresses, concurrency: number): Promise<Hops> {
  const connection = () => new Redis(redis_url, { maxRetriesPerRequest: null });
  const [adding, taking] = [connection(), connection()];
  const prefix = `floor:${database}`;
  const queue = new Queue<{ id: string }>('floor', { connection: adding, prefix });
  const waiting = new Map<string, () => void>();
  const worker = new Worker<{ id: string }>('floor', async ({ data }) => waiting.get(data.id)?.(), {
    connection: taking,
    prefix,
    concurrency,
  });
  await worker.waitUntilReady();
  return {
    async hop() {
      const id = randomUUID();
      const arrived = new Promise<void>((resolve) => waiting.set(id, resolve));
      await queue.add('hop', { id }, { removeOnComplete: true, removeOnFail: true });
      await arrived;
      waiting.delete(id);
    },
    async [Symbol.asyncDispose]() {
      await worker.close();
      await queue.close();
      adding.disconnect();
      taking.disconnect();
    },
  };
}

/** Calls the stand-in directly through the SDK, streaming; behind what was said before, if anything was. */
export function openModel({ base_url }: Addresses): (before?: readonly BetaMessageParam[]) => Promise<void> {
  const client = new Anthropic({ apiKey: 'bench', baseURL: base_url, maxRetries: 0 });
  return async (before = []) => {
    const nonce = nextNonce();
    const stream = client.beta.messages.stream({
      model: 'claude-sonnet-5-5',
      max_tokens: 1000,
      messages: [...before, { role: 'user', content: writeDirective({ nonce }) }],
    });
    const message = await stream.finalMessage();
    if (!JSON.stringify(message.content).includes(nonce)) throw new Error('The stand-in answered something else');
  };
}
