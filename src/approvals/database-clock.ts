import type { Db } from 'mongodb';

/**
 * Milliseconds since the epoch, by the clock of the database: the one that all processes share. What one of them writes, and
 * another compares with now, goes by it.
 */
export type Clock = () => Promise<number>;

/** It asks what `$$NOW` is there, as whatever else goes by that clock does. */
export function databaseClock(db: Db): Clock {
  return async () => {
    const [answer] = await db.aggregate<{ now: Date }>([{ $documents: [{ now: '$$NOW' }] }]).toArray();
    if (answer === undefined) throw new Error('MongoDB does not say what time it is');
    return answer.now.getTime();
  };
}
