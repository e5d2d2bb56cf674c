import {
  type AnyBulkWriteOperation,
  type Collection,
  type Db,
  type FindCursor,
  MongoBulkWriteError,
  MongoNetworkError,
} from 'mongodb';
import { vi } from 'vitest';
import type { Stepper } from './stepper.ts';
import { realNow } from './watcher.ts';

/** What happens at one of a process's database operations, instead of what should. */
export type Fault =
  /** The operation before was its last. */
  | 'dies_before'
  /** The operation has its effect, and nobody is there to hear of it. */
  | 'dies_after'
  /** The connection breaks before the operation has its effect. */
  | 'fails'
  /** The operation has its effect, but its answer is lost. */
  | 'answer_lost';

export class ProcessDiedError extends Error {}

/** A process's own view of the database: it takes turns with the others, has a clock of its own, fails and dies as planned. */
export interface ProcessDb {
  name: string;
  db: Db;
  isDead(): boolean;
  /** From here on nothing fails any more. */
  recover(): void;
}

export interface ProcessPlan {
  /** By operation: what happens at the n-th. */
  faults: ReadonlyArray<Fault | null>;
  /** How far its clock is off, in milliseconds. */
  skew_ms: number;
}

/** What `for await` asks of a cursor. */
const ITERATE = 'Symbol.asyncIterator';
const READS = new Set(['findOne', 'countDocuments', 'distinct']);
const WRITES = new Set(['insertOne', 'updateOne', 'updateMany', 'deleteOne', 'deleteMany', 'findOneAndUpdate']);

export function createProcessDb(name: string, db: Db, stepper: Stepper, plan: ProcessPlan): ProcessDb {
  let count = 0;
  let dead = false;
  let calm = false;

  function operation<T>(label: string, changes: string | null, work: () => Promise<T>): Promise<T> {
    if (dead) return Promise.reject(new ProcessDiedError(name));
    return stepper.step(`${name}: ${label}`, () => perform(work), changes);
  }

  async function perform<T>(work: () => Promise<T>): Promise<T> {
    if (dead) throw new ProcessDiedError(name);
    const fault = calm ? null : (plan.faults[count] ?? null);
    count += 1;
    // Until its next operation this process alone runs, by its own clock.
    vi.setSystemTime(realNow() + plan.skew_ms);
    if (fault === 'dies_before' || fault === 'dies_after') dead = true;
    if (fault === 'dies_before') throw new ProcessDiedError(name);
    if (fault === 'fails') throw new MongoNetworkError('the connection broke before');
    const answer = await work();
    if (fault === 'dies_after') throw new ProcessDiedError(name);
    if (fault === 'answer_lost') throw new MongoNetworkError('the connection broke after');
    return answer;
  }

  function collection(collectionName: string, ...options: []): Collection {
    const real = db.collection(collectionName, ...options);
    return overlay(real, (method) => {
      if (READS.has(method) || WRITES.has(method)) {
        const changes = WRITES.has(method) ? collectionName : null;
        return (...args: never[]) =>
          operation(`${collectionName}.${method}`, changes, async () =>
            Reflect.apply(Reflect.get(real, method), real, args),
          );
      }
      if (method === 'find') {
        return (...args: never[]) => cursor(`${collectionName}.find`, Reflect.apply(real.find, real, args));
      }
      if (method === 'insertMany') {
        return (documents: object[], how: object) => insertEach(real, documents, how);
      }
      if (method === 'bulkWrite') {
        return (changes: AnyBulkWriteOperation[], how: object) => changeEach(real, changes, how);
      }
      throw new Error(`Teach this process what ${method} of a collection does, step by step`);
    });
  }

  function cursor(label: string, real: object): object {
    return overlay(real, (method) => {
      const call: (...args: never[]) => unknown = Reflect.get(real, method);
      if (method === 'toArray') return () => operation(label, null, async () => Reflect.apply(call, real, []));
      if (method === ITERATE) {
        return async function* () {
          yield* await operation(label, null, () => (real as FindCursor).toArray());
        };
      }
      if (['sort', 'limit', 'project'].includes(method)) {
        return (...args: never[]) => cursor(label, Reflect.apply(call, real, args) as object);
      }
      throw new Error(`Teach this process what ${method} of a cursor does, step by step`);
    });
  }

  /** MongoDB inserts several documents one by one: each is a step, and the process may die between two. */
  async function insertEach(real: Collection, documents: object[], how: object): Promise<void> {
    const failed: MongoBulkWriteError[] = [];
    for (const document of documents) {
      try {
        await operation(`${real.collectionName}.insertMany`, real.collectionName, () =>
          real.insertMany([document], how),
        );
      } catch (error) {
        if (!(error instanceof MongoBulkWriteError)) throw error;
        failed.push(error);
      }
    }
    if (failed.length > 0) throw together(failed, documents.length - failed.length);
  }

  /** The same for several changes at once. */
  async function changeEach(real: Collection, changes: AnyBulkWriteOperation[], how: object): Promise<void> {
    for (const change of changes) {
      await operation(`${real.collectionName}.bulkWrite`, real.collectionName, () => real.bulkWrite([change], how));
    }
  }

  return {
    name,
    db: overlay(db, (method) => {
      if (method === 'collection') return collection;
      throw new Error(`Teach this process what ${method} of a database does, step by step`);
    }),
    isDead: () => dead,
    recover() {
      calm = true;
    },
  };
}

/** What the driver throws when some of several documents were not inserted. */
function together(failed: MongoBulkWriteError[], insertedCount: number): MongoBulkWriteError {
  const [first] = failed;
  if (first === undefined) throw new Error('Nothing failed');
  const writeErrors = failed.flatMap(({ result }) => result.getWriteErrors());
  first.result = Object.create(first.result, {
    insertedCount: { value: insertedCount },
    getWriteErrors: { value: () => writeErrors },
  });
  return first;
}

/** `target` with every method replaced by what `methodOf` makes of it. */
function overlay<T extends object>(target: T, methodOf: (name: string) => unknown): T {
  return new Proxy(target, {
    get(of, name) {
      const value: unknown = Reflect.get(of, name, of);
      if (typeof value !== 'function' || (typeof name !== 'string' && name !== Symbol.asyncIterator)) return value;
      return methodOf(typeof name === 'string' ? name : ITERATE);
    },
  });
}
