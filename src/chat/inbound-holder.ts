import type { Collection, Db, ObjectId } from 'mongodb';
import { newId } from '../session/id.ts';

const HOLDERS = 'inbound_holders';
/** A process that is silent for so long comes back as a new one, if at all. */
const REMEMBERED_MS = 60 * 60_000;
/** What has been said of this process counts for another half of that at least when it takes an event. */
const KNOWN_FOR = 1 / 2;

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
  /** Say that this process lives, if it holds anything. */
  beat(): Promise<void>;
  /** Say it unless it was said lately: nobody would free what is held by a process of which nobody knows. */
  beKnown(): Promise<void>;
  /**
   * Let `free` make nobody's what those hold that have said nothing for `lost_after_ms`. They are known until long after, and
   * forgotten only when that has happened once more: their word is all that tells of what they hold.
   */
  endDead(free: (ids: string[]) => Promise<void>): Promise<void>;
  /**
   * Somebody in this process is at this event from the first moment of `work` on, when its result says that it is his. Not
   * for one that somebody in it is at.
   */
  hold<T>(event: ObjectId, work: () => Promise<T>, isHis: (result: T) => boolean): Promise<T>;
  /** Nobody in this process is at it any more, whether or not the write that says so succeeds. */
  letGo<T>(event: ObjectId, work: Promise<T>): Promise<T>;
  isAt(event: ObjectId): boolean;
  /**
   * Let `look` find what this process holds and nobody in it is at, when a write has failed that may have happened: until it
   * has looked once after `lost_after_ms`, because such a write may also happen late.
   */
  whereUnsure(look: () => Promise<void>): Promise<void>;
}

/** Indexes that holders need; safe to call at every start. */
export async function createHolderIndexes(db: Db): Promise<void> {
  await db.collection(HOLDERS).createIndex({ until: 1 });
}

export function createHolder(db: Db, lost_after_ms: number): Holder {
  const holders: Collection<HolderDocument> = db.collection(HOLDERS);
  const id = newId('hldr');
  const at = new Set<string>();
  /** `performance.now()` before it was last said that this process lives. */
  let said_at = Number.NEGATIVE_INFINITY;
  /** When a write failed last, by `performance.now()`. */
  let unsure_since: number | null = null;

  async function say(): Promise<void> {
    const began = performance.now();
    const until = { $add: ['$$NOW', lost_after_ms] };
    await holders.updateOne({ _id: id }, [{ $set: { until } }], { upsert: true });
    said_at = began;
  }

  async function orUnsure<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      unsure_since = performance.now();
      throw error;
    }
  }

  return {
    id,
    async beat() {
      if (at.size > 0) await say();
    },
    async beKnown() {
      if (performance.now() - said_at >= lost_after_ms * KNOWN_FOR) await say();
    },
    async endDead(free) {
      const found = await holders
        .aggregate<{ _id: string; until: Date; silent_ms: number }>([
          { $match: { $expr: { $lte: ['$until', '$$NOW'] } } },
          { $set: { silent_ms: { $subtract: ['$$NOW', '$until'] } } },
        ])
        .toArray();
      // What this one was too busy to say must not cost it what it holds.
      const dead = found.filter(({ _id }) => _id !== id);
      if (dead.length === 0) return;
      await free(dead.map(({ _id }) => _id));
      const gone = dead.filter(({ silent_ms }) => silent_ms >= REMEMBERED_MS);
      for (const { _id, until } of gone) await holders.deleteOne({ _id, until });
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
    async whereUnsure(look) {
      const since = unsure_since;
      if (since === null) return;
      const began = performance.now();
      await look();
      if (since === unsure_since && began - since >= lost_after_ms) unsure_since = null;
    },
  };
}
