import type { Logger } from '../logger.ts';
import { appendDecision, appendVote } from './append-decision.ts';
import { escalateDue, remindDue } from './ask-again.ts';
import { type DecideDeps, expire, isDecided } from './decide.ts';

/** Rows taken per round and kind. */
const BATCH = 100;
/** Comparing records with logs looks at every session that waits for people: not at every round. */
const REPAIR_EVERY_MS = 30_000;

export interface TimerDeps extends DecideDeps {
  logger: Logger;
  /** A decision that is not in the log after this, or a reminder or escalation claimed and not confirmed, is a dead process's. */
  lost_after_ms: number;
}

export interface ApprovalTimers extends AsyncDisposable {
  /** One round, now: for tests and for a start. */
  runNow(): Promise<void>;
}

/**
 * Every `interval_ms`: finish what a dead process left undone, expire what is due, ask others and remind of what waits. Due
 * times are in MongoDB, are compared with its clock, and each row is claimed atomically, so any number of replicas may run this.
 */
export function startApprovalTimers(deps: TimerDeps, interval_ms: number): ApprovalTimers {
  let running: Promise<void> | null = null;
  let repair_at = -Infinity;

  /** Each step by itself: one that fails must not keep the others from their work. */
  async function round(): Promise<void> {
    await attempt('decisions', finishDecisions);
    await attempt('votes', finishVotes);
    await attempt('questions', deps.repair.recordNew);
    if (performance.now() >= repair_at) {
      repair_at = performance.now() + REPAIR_EVERY_MS;
      await attempt('repair', deps.repair.run);
    }
    await attempt('expiry', expireDue);
    await attempt('escalations', escalateDue);
    await attempt('reminders', remindDue);
  }

  async function attempt(step: string, work: (deps: TimerDeps) => Promise<void>): Promise<void> {
    try {
      await work(deps);
    } catch (err) {
      deps.logger.error({ err, step }, 'approval timers failed; the next round tries again');
    }
  }

  function runNow(): Promise<void> {
    running ??= round().finally(() => {
      running = null;
    });
    return running;
  }

  const timer = setInterval(() => void runNow(), interval_ms);

  return {
    runNow,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await running;
    },
  };
}

async function finishDecisions(deps: TimerDeps): Promise<void> {
  const before = new Date((await deps.now()) - deps.lost_after_ms);
  for (const approval of await deps.store.unappended(before, BATCH)) {
    if (!isDecided(approval)) continue;
    await appendDecision(deps, approval);
    deps.logger.info({ approval_id: approval._id }, 'brought a decision to the log that its process could not');
  }
}

async function finishVotes(deps: TimerDeps): Promise<void> {
  const before = new Date((await deps.now()) - deps.lost_after_ms);
  for (const approval of await deps.store.unappendedVotes(before, BATCH)) {
    for (const vote of approval.votes ?? []) if (!vote.appended) await appendVote(deps, approval, vote);
  }
}

async function expireDue(deps: TimerDeps): Promise<void> {
  const now = new Date(await deps.now());
  for (const approval of await deps.store.expired(now, BATCH)) await expire(deps, approval, now);
}
