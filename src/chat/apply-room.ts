import { createRoom, type Room } from './room.ts';

/** Where events wait to be applied: as many at once as leave the keeping of others quick, which platforms wait for. */
export interface ApplyRoom extends Pick<Room, 'enter'> {
  /** An event was kept, so long after it came. */
  kept(ms: number): void;
}

/** A sixth of the connections to MongoDB: keeping never waits for one. */
const MOST = 16;
/** However busy it is, what was kept goes on. */
const LEAST = 1;
/** Keeping takes a few milliseconds on a machine that is not full. */
const QUICK_MS = 12;
/** Room is given up at once and comes back slowly, as in TCP: both find the share that the machine has to give. */
const LESS = 0.8;
const MORE = 0.05;

export function createApplyRoom(): ApplyRoom {
  const room = createRoom('chat events to apply', MOST);
  let size = MOST;

  return {
    enter: () => room.enter(),
    kept(ms) {
      size = ms > QUICK_MS ? Math.max(LEAST, size * LESS) : Math.min(MOST, size + MORE);
      room.resize(Math.floor(size));
    },
  };
}
