import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import type { TurnConsumer, TurnJob, TurnQueue } from './turn-queue.ts';

const QUEUE = 'turns';

interface BullOptions {
  connection: Redis;
  prefix: string;
  logger: Logger;
}

/** A sweep's wake is not repeated within this time, so that an overloaded queue is not flooded with the same sessions. */
const AGAIN_MS = 2_000;

/** How long BullMQ may take to say goodbye to Redis, in milliseconds. */
const CLOSE_MS = 1_000;

/**
 * The turn queue on BullMQ. Wakes are not deduplicated by job: a lost worker's job would keep its session's key, and
 * with it every later wake, until BullMQ declares it stalled.
 */
export function createTurnQueue(options: BullOptions): TurnQueue & AsyncDisposable {
  const queue = new Queue<TurnJob>(QUEUE, {
    connection: options.connection,
    prefix: options.prefix,
    // The log says what is owed; a finished or failed job has nothing more to tell.
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
  });
  queue.on('error', (err) => options.logger.warn({ err }, 'turn queue connection'));
  return {
    async enqueue(job) {
      await queue.add('turn', job);
    },
    async enqueueAgain(job) {
      await queue.add('turn', job, { deduplication: { id: job.session_id, ttl: AGAIN_MS } });
    },
    async [Symbol.asyncDispose]() {
      await Promise.race([queue.close(), after(CLOSE_MS)]);
    },
  };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/** Take turns from the queue, `concurrency` at a time. `connection` must have `maxRetriesPerRequest: null`. */
export function consumeTurns(
  options: BullOptions & { concurrency: number; lock_ms: number; take(job: TurnJob): Promise<void> },
): TurnConsumer {
  const running = new Set<Promise<void>>();

  function take(job: TurnJob): Promise<void> {
    const turn = options.take(job).finally(() => running.delete(turn));
    running.add(turn);
    return turn;
  }

  const worker = new Worker<TurnJob>(QUEUE, (job) => take(job.data), {
    connection: options.connection,
    prefix: options.prefix,
    concurrency: options.concurrency,
    // A lost worker's job is tried by another; whether there is anything to do, the log says.
    lockDuration: options.lock_ms,
    stalledInterval: options.lock_ms,
    maxStalledCount: 1,
  });
  worker.on('error', (err) => options.logger.warn({ err }, 'turn consumer connection'));
  worker.on('failed', (job, err) => options.logger.error({ err, session_id: job?.data.session_id }, 'turn failed'));
  return {
    async drain(timeout_ms) {
      const closed = worker.close();
      // What remains when the turns have ended is between BullMQ and Redis, which may be away.
      const ended = Promise.allSettled(running).then(() => after(CLOSE_MS));
      await Promise.race([closed, ended, after(timeout_ms)]);
    },
    async [Symbol.asyncDispose]() {
      await worker.close(true);
    },
  };
}
