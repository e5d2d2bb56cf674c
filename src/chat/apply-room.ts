import { createRoom, type Room } from './room.ts';

/**
 * Where events wait to be applied, each channel's in a lane: as many at once as leave the keeping of others quick, which
 * platforms wait for.
 */
export interface ApplyRoom {
  enter(lane: string): ReturnType<Room['enter']>;
  /** An event was kept, which took so long. */
  kept(ms: number): void;
  /** From now on nobody waits for a wave: they come only to leave. */
  hurry(): void;
}

/** A third of the connections to MongoDB: keeping does not wait for one because messages are applied. */
const MOST = 32;
/** However busy it is, what was kept goes on. Whoever waits for a platform leaves the room meanwhile, and holds up nobody. */
const LEAST = 4;
/**
 * They are let in together, in waves that are the further apart the more there is to do: what they look up then goes to MongoDB
 * in one command. From one wave to the next, in ms, for each event that it had, and at most: at 200 events a second five go
 * together, and one that comes after a pause goes at once.
 */
const APART_MS = 10;
const MOST_APART_MS = 25;
/** Keeping takes a few milliseconds on a machine that is not full, and as long as it ever takes on another. */
const QUICK_MS = 12;
const TIMES_THE_BEST = 4;
/** The best is forgotten by so much with each event: MongoDB may have become slower. */
const FORGET = 1.01;
/**
 * Room is given up at once and comes back slowly, as in TCP: both find the share that the machine has to give. A place comes back
 * after a hundred events, half a second of many: sooner, and keeping is slow again before it was quick.
 */
const LESS = 0.8;
const MORE = 0.01;
/** When nothing has come for so long: what is left over of a flood. */
const QUIET_AFTER_MS = 1_000;
const MORE_WHEN_QUIET = 0.05;

/** @param now in ms, as `performance.now()` */
export function createApplyRoom(now = () => performance.now()): ApplyRoom {
  let most_apart_ms = MOST_APART_MS;
  const in_waves = (entered: number) => Math.min(most_apart_ms, entered * APART_MS);
  const room = createRoom('chat events to apply', { size: MOST, in_waves });
  let size = MOST;
  let best_ms = Number.POSITIVE_INFINITY;
  let kept_at = Number.NEGATIVE_INFINITY;

  function resize(to: number): void {
    size = Math.min(MOST, Math.max(LEAST, to));
    room.resize(Math.floor(size));
  }

  return {
    async enter(lane) {
      const leave = await room.enter(lane);
      return () => {
        leave();
        resize(size + (now() - kept_at > QUIET_AFTER_MS ? MORE_WHEN_QUIET : MORE));
      };
    },
    kept(ms) {
      kept_at = now();
      best_ms = Math.min(ms, best_ms * FORGET);
      const isSlow = ms > Math.max(QUICK_MS, TIMES_THE_BEST * best_ms);
      resize(isSlow ? size * LESS : size + MORE);
    },
    hurry() {
      most_apart_ms = 0;
    },
  };
}
