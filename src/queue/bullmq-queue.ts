import { DelayedError, type Job, Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import { createFairOrder } from './fair-order.ts';
import { createLaneSlots } from './lane-slots.ts';
import type { TurnConsumer, TurnJob, TurnQueue } from './turn-queue.ts';

const QUEUE = 'turns';

interface BullOptions {
  connection: Redis;
  prefix: string;
  logger: Logger;
}

/** Of so many slots that one lane may fill, one more is kept for the others. */
const SLOTS_PER_SPARE = 8;
/** A wake of a lane that fills its slots waits this long for one, in a spare slot, and is then put back for a second. */
const HOLD_MS = 100;
const PUT_BACK_MS = 1_000;

/** Latest that a session which still waits is put back once more, lest a wake that Redis lost a part of count for ever. */
const AGAIN_MS = 60_000;

/** How long BullMQ may take to say goodbye to Redis, in milliseconds. */
const CLOSE_MS = 1_000;

/**
 * The turn queue on BullMQ. Wakes are not deduplicated by job: a lost worker's job would keep its session's key, and
 * with it every later wake, until BullMQ declares it stalled.
 */
export function createTurnQueue(options: BullOptions & { now?: () => number }): TurnQueue & AsyncDisposable {
  const queue = new Queue<TurnJob>(QUEUE, {
    connection: options.connection,
    prefix: options.prefix,
    // The log says what is owed; a finished or failed job has nothing more to tell.
    defaultJobOptions: { removeOnComplete: true, removeOnFail: true, attempts: 1 },
  });
  queue.on('error', (err) => options.logger.warn({ err }, 'turn queue connection'));
  const order = createFairOrder(options.now);
  return {
    async enqueue(job) {
      await queue.add('turn', job, { priority: order.next(job.lane) });
    },
    async enqueueAgain(jobs) {
      const counts = new Map<string, number>();
      const wakes = jobs.map((data) => {
        const nth = counts.get(data.lane) ?? 0;
        counts.set(data.lane, nth + 1);
        return {
          name: 'turn',
          data,
          opts: { priority: order.again(nth), deduplication: { id: data.session_id, ttl: AGAIN_MS } },
        };
      });
      if (wakes.length > 0) await queue.addBulk(wakes);
    },
    async [Symbol.asyncDispose]() {
      await Promise.race([queue.close(), after(CLOSE_MS)]);
    },
  };
}

function after(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref());
}

/**
 * BullMQ did not hear of a job for too long, and gave it to somebody else. Nothing is lost by that, nor done twice: the
 * session's lease says whose turn it is, and the log what is owed. The words are BullMQ's own, of its errors for locks.
 */
function isGivenAway({ message }: Error): boolean {
  return /^(could not renew lock|Missing (lock|key)|Lock mismatch) for job/.test(message);
}

/** How often it is said, at most, that BullMQ gave wakes away, in milliseconds: a late worker has thousands of them. */
const TELL_MS = 60_000;

function createTally(tell: (count: number, latest: Error) => void): { add(err: Error): void } {
  let count = 0;
  let told = Number.NEGATIVE_INFINITY;
  return {
    add(err) {
      count += 1;
      if (performance.now() - told < TELL_MS) return;
      tell(count, err);
      told = performance.now();
      count = 0;
    },
  };
}

/**
 * Take turns from the queue. One lane may fill `concurrency` slots; an eighth more are spare, so that whoever comes while
 * one lane's turns fill the worker starts at once. `connection` must have `maxRetriesPerRequest: null`. A job whose worker is
 * lost is another's after `lock_ms` and at most two looks, which are `stalled_ms` apart.
 */
export function consumeTurns(
  options: BullOptions & {
    concurrency: number;
    lock_ms: number;
    stalled_ms: number;
    take(job: TurnJob): Promise<void>;
  },
): TurnConsumer {
  const { logger, concurrency } = options;
  const running = new Set<Promise<void>>();
  const slots = createLaneSlots(concurrency);

  async function takeInLane(job: Job<TurnJob>, token: string | undefined): Promise<void> {
    const leave = await slots.enter(job.data.lane, HOLD_MS);
    if (leave === null) {
      await job.moveToDelayed(Date.now() + PUT_BACK_MS, token);
      throw new DelayedError();
    }
    // From here on the sweep may ask again: should this worker be lost, nobody waits for BullMQ to notice.
    job.removeDeduplicationKey().catch((err: unknown) => logger.debug({ err }, 'a wake still counts as waiting'));
    try {
      await options.take(job.data);
    } catch (err) {
      // Here, because BullMQ says nothing of the failure of a job that it has given away.
      logger.error({ err, session_id: job.data.session_id }, 'turn failed');
      throw err;
    } finally {
      leave();
    }
  }

  function take(job: Job<TurnJob>, token: string | undefined): Promise<void> {
    const turn = takeInLane(job, token).finally(() => running.delete(turn));
    running.add(turn);
    return turn;
  }

  const worker = new Worker<TurnJob>(QUEUE, take, {
    connection: options.connection,
    prefix: options.prefix,
    concurrency: concurrency + Math.ceil(concurrency / SLOTS_PER_SPARE),
    // A lost worker's job is tried by another; whether there is anything to do, the log says.
    lockDuration: options.lock_ms,
    // Twice as often as by itself: a worker with a thousand turns may be late by a second.
    lockRenewTime: options.lock_ms / 4,
    stalledInterval: options.stalled_ms,
    maxStalledCount: 1,
  });
  const late = createTally((count, err) => {
    logger.warn({ count, reason: err.message }, 'this worker is late: BullMQ gave wakes away that it still works on');
  });
  worker.on('error', (err) => {
    if (isGivenAway(err)) late.add(err);
    else logger.warn({ err }, 'turn consumer connection');
  });
  worker.on('failed', (job, err) => {
    logger.debug({ reason: err.message, session_id: job?.data.session_id }, 'a wake ended with a failure');
  });
  return {
    async drain(timeout_ms) {
      const closed = worker.close();
      // What remains when the turns have ended is between BullMQ and Redis, which may be away.
      const ended = Promise.allSettled(running).then(() => after(CLOSE_MS));
      await Promise.race([closed, ended, after(timeout_ms)]);
      return running.size;
    },
    async [Symbol.asyncDispose]() {
      await worker.close(true);
    },
  };
}
