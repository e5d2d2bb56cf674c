import type { Logger } from '../logger.ts';
import type { TurnJob, TurnQueue } from './turn-queue.ts';

/** Sessions put back per round: enough to refill an emptied Redis quickly, small enough not to flood it. */
const BATCH = 500;

/** What the log says is owed: at most `limit`, in the order of their ids, after this one. */
type Owed = (limit: number, after: string | null) => Promise<TurnJob[]>;

/** How long a stop waits for a round that is under way: without its services it does not end. */
const PATIENCE_MS = 1_000;

/**
 * Redis may be lost at any moment, and a worker with it: every `interval_ms` the sweep enqueues each session that the
 * log says is owed a turn and that nobody holds. Enqueuing one that is already waiting changes nothing. Each round goes
 * on where the last one ended, so that however many are owed a turn, each comes up.
 */
export function startSweep(
  deps: {
    owed: Owed;
    queue: Pick<TurnQueue, 'enqueueAgain'>;
    logger: Logger;
    /** Sessions that are not put back: what this process works on, however late it is. */
    isHere?: (session_id: string) => boolean;
  },
  interval_ms: number,
): AsyncDisposable & { sweepNow(): Promise<number> } {
  let running: Promise<number> | null = null;
  let after: string | null = null;

  async function sweep(): Promise<number> {
    const jobs = await deps.owed(BATCH, after);
    const lost = jobs.filter(({ session_id }) => deps.isHere?.(session_id) !== true);
    await deps.queue.enqueueAgain(lost);
    after = jobs.length < BATCH ? null : (jobs.at(-1)?.session_id ?? null);
    if (lost.length > 0) deps.logger.info({ count: lost.length }, 'sweep found sessions that were owed a turn');
    return lost.length;
  }

  function sweepNow(): Promise<number> {
    running ??= sweep().finally(() => {
      running = null;
    });
    return running;
  }

  const timer = setInterval(() => {
    sweepNow().catch((err: unknown) => deps.logger.warn({ err }, 'sweep failed; the next one tries again'));
  }, interval_ms);

  return {
    sweepNow,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      const late = new Promise<void>((resolve) => setTimeout(resolve, PATIENCE_MS).unref());
      await Promise.race([running?.catch(() => undefined), late]);
    },
  };
}
