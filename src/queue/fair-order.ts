import { LRUCache } from 'lru-cache';

/** The lane's next wake counts as this much later than its last: what one lane may ask for without ever waiting for another. */
const SPACING_MS = 1_000;
/** Latest that a wake is put, after now. So whoever floods is passed only by what others send within this time. */
const LATEST_MS = 600_000;
/** Lanes whose last wake is remembered; a forgotten one is served as if it had been quiet. */
const MOST_LANES = 10_000;
/** The highest priority number that BullMQ takes is 2^21; the lowest number goes first. */
const NUMBERS = 2 ** 21 - 1;

/**
 * The order in which wakes are taken, as BullMQ priorities (1 to 2^21, the lowest first). Each wake gets a time: now for
 * a lane that asks about once a second, and a second later than the lane's last one for a lane that asks faster. Wakes
 * are taken by that time. So the thousandth message of a flood stands behind whatever other lanes say in the next ten
 * minutes, and before what they say later: nobody waits for ever.
 *
 * Each process orders what it enqueues by itself and asks nobody. In a priority the time is a whole second; the numbers
 * begin again every 24 days, and for ten minutes then the late ones are not late.
 */
export interface FairOrder {
  /** The place of a lane's new wake. */
  next(lane: string): number;
  /** The place of a wake that is made again: the `nth` (from 0) of its lane. It does not count as a new one. */
  again(nth: number): number;
}

export function createFairOrder(now: () => number = Date.now): FairOrder {
  const last = new LRUCache<string, number>({ max: MOST_LANES });

  function numberAt(time: number): number {
    return 1 + (Math.floor(time / SPACING_MS) % NUMBERS);
  }

  return {
    next(lane) {
      const at = now();
      const time = Math.min(Math.max(at, (last.get(lane) ?? 0) + SPACING_MS), at + LATEST_MS);
      last.set(lane, time);
      return numberAt(time);
    },
    again(nth) {
      return numberAt(now() + Math.min(nth * SPACING_MS, LATEST_MS));
    },
  };
}
