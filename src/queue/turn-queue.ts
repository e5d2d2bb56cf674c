/** One session that is owed a turn. */
export interface TurnJob {
  workspace_id: string;
  session_id: string;
  /** Whose turn it is: a lane (a chat channel, or a workspace's API) waits for itself before another waits for it. */
  lane: string;
  /** What it is owed for, where that is nothing but messages of one append: their ids, and where the log stands after them. */
  messages?: { seq: number; event_ids: string[] };
}

/**
 * Wakes a worker for a session. A wake for a session that has a brain already is harmless: it finds the session busy,
 * and the brain sees whatever the wake was for before it can rest. Losing the queue costs only time, because the sweep
 * puts back whatever the log is owed. Wakes are taken in a fair order (fair-order.ts).
 */
export interface TurnQueue {
  enqueue(job: TurnJob): Promise<void>;
  /**
   * The same for the sweep, which asks again and again: of each session at most one such wake waits, however long the
   * queue, so what is asked for again does not make it longer.
   */
  enqueueAgain(jobs: readonly TurnJob[]): Promise<void>;
}

/** The worker's side: `take` runs for each job, `concurrency` at a time. A job whose `take` throws is left to the sweep. */
export interface TurnConsumer extends AsyncDisposable {
  /** Stop taking jobs and wait for the running ones, at most `timeout_ms`. Returns how many still run then. */
  drain(timeout_ms: number): Promise<number>;
}
