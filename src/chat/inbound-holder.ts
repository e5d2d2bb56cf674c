import type { Collection, Db, ObjectId } from 'mongodb';
import { newId } from '../session/id.ts';

const HOLDERS = 'inbound_holders';
/** A process that is silent for so long comes back as a new one, if at all. */
const REMEMBERED_S = 60 * 60;
const HAS_RUN_OUT = { $lte: ['$until', '$$NOW'] };

interface HolderDocument {
  _id: string;
  until: Date;
}

/**
 * A process that holds chat events. One word of it speaks for all of them: thousands may wait, and none of them is written
 * again because it does. The clock is the database's.
 */
export interface Holder {
  readonly id: string;
  /** Say that this process lives. */
  beat(): Promise<void>;
  /** Say it unless it still counts: what is held by a process of which nobody knows is nobody's only when that says so. */
  beKnown(): Promise<void>;
  /** Processes that have said nothing for `lost_after_ms`. */
  dead(): Promise<string[]>;
  /** Somebody in this process is at this event from the first moment of `work` on, when its result says that it is his. */
  hold<T>(event: ObjectId, work: () => Promise<T>, isHis: (result: T) => boolean): Promise<T>;
  /** Nobody in this process is at it any more, whether or not the write that says so succeeds. */
  letGo<T>(event: ObjectId, work: Promise<T>): Promise<T>;
  isAt(event: ObjectId): boolean;
  /** Whether, since this was asked last, a write failed that may have happened: this process may hold what nobody in it is at. */
  wasUnsure(): boolean;
}

/** Indexes that holders need; safe to call at every start. */
export async function createHolderIndexes(db: Db): Promise<void> {
  await db.collection(HOLDERS).createIndex({ until: 1 }, { expireAfterSeconds: REMEMBERED_S });
}

export function createHolder(db: Db, lost_after_ms: number): Holder {
  const holders: Collection<HolderDocument> = db.collection(HOLDERS);
  const id = newId('hldr');
  const at = new Set<string>();
  /** `performance.now()` before it was last said that this process lives. */
  let said_at = Number.NEGATIVE_INFINITY;
  let isUnsure = false;

  async function beat(): Promise<void> {
    const began = performance.now();
    const until = { $add: ['$$NOW', lost_after_ms] };
    await holders.updateOne({ _id: id }, [{ $set: { until } }], { upsert: true });
    said_at = began;
  }

  async function orUnsure<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      isUnsure = true;
      throw error;
    }
  }

  return {
    id,
    beat,
    async beKnown() {
      if (performance.now() - said_at >= lost_after_ms) await beat();
    },
    async dead() {
      const found = await holders.aggregate<HolderDocument>([{ $match: { $expr: HAS_RUN_OUT } }]).toArray();
      return found.map(({ _id }) => _id);
    },
    async hold(event, work, isHis) {
      const key = event.toHexString();
      at.add(key);
      let his = false;
      try {
        const result = await orUnsure(work());
        his = isHis(result);
        return result;
      } finally {
        if (!his) at.delete(key);
      }
    },
    letGo: (event, work) => orUnsure(work).finally(() => at.delete(event.toHexString())),
    isAt: (event) => at.has(event.toHexString()),
    wasUnsure() {
      const was = isUnsure;
      isUnsure = false;
      return was;
    },
  };
}
