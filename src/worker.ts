import type { Context } from './context.ts';
import { takeTurn } from './harness/turn.ts';
import { keepHouse } from './housekeeping.ts';
import { consumeTurns } from './queue/bullmq-queue.ts';
import { startSweep } from './queue/sweep.ts';
import type { TurnJob } from './queue/turn-queue.ts';
import { ENDED_CHANNEL } from './session/hints.ts';

/** A running worker. `stop` hands its sessions over and ends its sandboxes. */
export interface RunningWorker {
  stop(): Promise<void>;
}

/** Between two rounds of housekeeping, at most. */
const LONGEST_KEEPING_MS = 60_000;

/** How long a stopping worker waits for Redis to take a wake, in milliseconds; the sweep does it otherwise. */
const WAKE_MS = 1_000;

/** The session is free and still owed a turn: another worker need not wait for the sweep to be told. */
async function wakeAnother({ queue, logger }: Pick<Context, 'queue' | 'logger'>, job: TurnJob): Promise<void> {
  const late = new Promise<void>((resolve) => setTimeout(resolve, WAKE_MS).unref());
  const woken = queue.enqueue(job).catch((err: unknown) => logger.warn({ err, ...job }, 'no other worker was woken'));
  await Promise.race([woken, late]);
}

/**
 * Take turns from the queue until stopped. First ends what a predecessor on this machine left behind.
 *
 * Stopping: no new turns; running ones stop at the next safe point and stay owed, so that another worker goes on; what
 * is not done after `drain_ms` is cut off, which the other worker treats like a lost one.
 */
export async function startWorker(context: Context): Promise<RunningWorker> {
  const { config, logger, workspaces } = context;
  const { sandbox_idle_ms } = config.timings;
  await keepHouse(context, sandbox_idle_ms);
  logger.info({ worker_id: context.worker_id, sandbox: workspaces.describe() }, 'worker started');

  const stopping = new AbortController();
  const consumer = consumeTurns({
    connection: context.queue_connection,
    prefix: context.redis_prefix,
    logger,
    concurrency: config.concurrency,
    lock_ms: config.timings.lease_ms,
    stalled_ms: config.timings.sweep_ms,
    async take(job) {
      const started = performance.now();
      const result = await takeTurn(context.turn, job, stopping.signal);
      if (result === 'handed_over') await wakeAnother(context, job);
      logger.debug({ ...job, result, ms: Math.round(performance.now() - started) }, 'turn ended');
    },
  });
  const unsubscribe = await context.hints.subscribe(ENDED_CHANNEL, (session_id) => {
    workspaces.destroy(session_id).catch((err: unknown) => logger.warn({ err, session_id }, 'sandbox was not ended'));
  });
  const sweep = startSweep(
    {
      owed: (limit, after) => context.log.owed(limit, after),
      queue: context.queue,
      logger,
      isHere: context.turn.here.has,
    },
    config.timings.sweep_ms,
  );
  const keeper = setInterval(
    () => void keepHouse(context, sandbox_idle_ms),
    Math.min(LONGEST_KEEPING_MS, sandbox_idle_ms),
  );

  return {
    async stop() {
      clearInterval(keeper);
      const { drain_ms } = config.timings;
      const since = performance.now();
      // First of all it takes no more jobs: what it hands over from here on is for others.
      const drained = consumer.drain(drain_ms).then((turns) => {
        const after_ms = Math.round(performance.now() - since);
        if (turns > 0) logger.warn({ turns, drain_ms, after_ms }, 'turns were cut off at the end of the drain');
      });
      stopping.abort(new Error('The worker is stopping'));
      await Promise.all([drained, sweep[Symbol.asyncDispose]()]);
      await unsubscribe();
      await workspaces.close();
    },
  };
}
