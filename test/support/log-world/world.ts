import type { Scheduler } from 'fast-check';
import type { Db } from 'mongodb';
import { LeaseLostError, LogMovedError } from '../../../src/errors.ts';
import { createStateCache, type StateCache } from '../../../src/harness/state-cache.ts';
import { silentLogger } from '../../../src/logger.ts';
import { createCheckpointStore } from '../../../src/session/checkpoint-store.ts';
import type { LogEntry } from '../../../src/session/event.ts';
import { createSessionFeeds, type SessionFeeds } from '../../../src/session/feed.ts';
import { appendedHint } from '../../../src/session/hints.ts';
import { newId } from '../../../src/session/id.ts';
import type { SessionLog, SessionRef } from '../../../src/session/log.ts';
import { emptyLog, type LoggedDocument } from '../../../src/session/log-document.ts';
import { createMongoLog } from '../../../src/session/mongo-log.ts';
import { createProcessDb, type ProcessDb, ProcessDiedError, type ProcessPlan } from './process.ts';
import { createStepper, type Stepper } from './stepper.ts';
import { assert, type Batch, createWatcher, isSame, type LogWatcher, RUN_OUT } from './watcher.ts';

/** One session and some processes around it. */
export interface LogWorld {
  ref: SessionRef;
  watcher: LogWatcher;
  processes: WorldProcess[];
  /** The last sequence number of what anybody was told has landed: every reader must see as far from then on. */
  acknowledged(): number;
  /** Try an append of these; the watcher knows of it before, and of its outcome after. */
  attempt(batch: Batch, append: () => Promise<LogEntry[]>): Promise<LogEntry[] | null>;
  /** An append of this batch landed at these places. */
  landed(batch: Batch, entries: readonly LogEntry[]): void;
  /** What a reader was given is a piece of the log, exactly, from `after` on. */
  checkRead(found: readonly LogEntry[], after: number): void;
  /** The holder of the lease, if any, has let it run out. */
  runOut(): Promise<void>;
  /** A process that nothing happens to, started now. */
  newcomer(): WorldProcess;
}

export interface WorldProcess extends ProcessDb {
  log: SessionLog;
  states: StateCache;
  feeds: SessionFeeds;
  /** Nothing goes wrong in it. */
  isFlawless: boolean;
  /** Hints reach this process's followers here. */
  hear(message: string): void;
}

/** So long that no lease runs out by itself, and no feed looks by itself, while a test runs. */
const NEVER_MS = 3_600_000;
export const LEASE_MS = NEVER_MS;

export interface WorldPlan {
  processes: ProcessPlan[];
  /** Which of the hints get lost, in order; the rest arrive. */
  lost_hints: boolean[];
}

/**
 * Make a session and let `live` happen in it, step by step. The watcher looks after each step.
 * @throws Error for the first thing that must never be
 */
export async function inLogWorld(
  db: Db,
  plan: WorldPlan,
  scheduler: Scheduler<string>,
  live: (world: LogWorld, together: (...work: Array<() => Promise<void>>) => Promise<void>) => Promise<void>,
): Promise<void> {
  const ref: SessionRef = { workspace_id: 'wrkspc_default', session_id: newId('sesn') };
  const sessions = db.collection<LoggedDocument>('sessions');
  await sessions.insertOne({ _id: ref.session_id, workspace_id: ref.workspace_id, log: emptyLog() });
  const watcher = await createWatcher(db, ref, LEASE_MS);
  const wrongs: unknown[] = [];
  const wrong = (error: unknown) => void wrongs.push(error);
  const stepper = createStepper(scheduler, (changed) => watcher.look(changed).catch(wrong));
  const world = createWorld(db, watcher, { ref, plan, stepper });

  /** Run these side by side until all are done, and throw what any of them threw. */
  async function together(...work: Array<() => Promise<void>>): Promise<void> {
    let unfinished = work.length;
    for (const one of work) {
      void one()
        .catch((error: unknown) => {
          if (!(error instanceof ProcessDiedError)) wrong(error);
        })
        .finally(() => {
          unfinished -= 1;
        });
    }
    await stepper.run();
    if (unfinished > 0) wrong(new Error('somebody waits for what never comes'));
    if (wrongs.length > 0) throw wrongs[0];
  }

  try {
    await live(world, together);
  } finally {
    await Promise.all(world.processes.map(({ feeds }) => feeds[Symbol.asyncDispose]()));
    await sessions.deleteOne({ _id: ref.session_id });
    await db.collection('session_events').deleteMany({ session_id: ref.session_id });
  }
}

function createWorld(
  db: Db,
  watcher: LogWatcher,
  { ref, plan, stepper }: { ref: SessionRef; plan: WorldPlan; stepper: Stepper },
): LogWorld {
  const processes: WorldProcess[] = [];
  let told = 0;
  let hints = 0;

  function spread(message: string): void {
    for (const process of processes) {
      const lost = plan.lost_hints[hints++ % Math.max(1, plan.lost_hints.length)] ?? false;
      if (!lost) void stepper.step(`hint to ${process.name}`, async () => process.hear(message), null);
    }
  }

  function start(name: string, of: ProcessPlan): WorldProcess {
    const own = createProcessDb(name, db, stepper, of);
    const listeners = new Set<(message: string) => void>();
    const log = createMongoLog(own.db, {
      appended: (_session, entries) => spread(appendedHint(entries)),
    });
    const subscribe = async (_channel: string, listener: (message: string) => void) => {
      listeners.add(listener);
      return async () => void listeners.delete(listener);
    };
    const feeds = createSessionFeeds({ log, hints: { subscribe }, logger: silentLogger }, NEVER_MS);
    const hear = (message: string) => {
      if (!own.isDead()) for (const listener of listeners) listener(message);
    };
    const isFlawless = of.faults.every((fault) => fault === null);
    const process = { ...own, log, feeds, hear, isFlawless, states: createStateCache(createCheckpointStore(own.db)) };
    processes.push(process);
    return process;
  }

  plan.processes.forEach((of, index) => start(`p${index}`, of));

  const world: LogWorld = {
    ref,
    watcher,
    processes,
    acknowledged: () => told,
    async attempt(batch, append) {
      try {
        const entries = await append();
        world.landed(batch, entries);
        return entries;
      } catch (error) {
        if (error instanceof LogMovedError || error instanceof LeaseLostError) batch.outcome = 'refused';
        throw error;
      }
    },
    landed(batch, entries) {
      batch.outcome = 'landed';
      assert(entries.map((entry) => entry.event.id).join() === batch.ids.join(), 'an append gave back other events');
      world.checkRead(entries, (entries[0]?.seq ?? 1) - 1);
      told = Math.max(told, entries.at(-1)?.seq ?? 0);
    },
    checkRead(found, after) {
      found.forEach((entry, index) => {
        assert(entry.seq === after + 1 + index, `a reader was given ${entry.seq} where ${after + 1 + index} belongs`);
        const real = watcher.entries[entry.seq - 1];
        assert(real !== undefined && isSame(entry, real), `a reader was given another event as ${entry.seq}`);
      });
    },
    async runOut() {
      const held = { _id: ref.session_id, 'log.lease.until': { $ne: null } };
      const end = { $set: { 'log.lease.until': RUN_OUT } };
      await stepper.step(
        'the lease runs out',
        () => db.collection('sessions').updateOne(held as object, end),
        'sessions',
      );
    },
    newcomer: () => start(`p${processes.length}`, { faults: [], skew_ms: 0 }),
  };
  return world;
}
