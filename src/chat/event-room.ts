import { laneOf } from './conversation-store.ts';
import type { Inbound } from './inbound-keys.ts';
import { originOf } from './origin.ts';
import { createRoom } from './room.ts';

/**
 * Events in flight, from their arrival until they are applied. Those that come when it is full wait to be kept. One channel's
 * take at most half of it, and half of what may wait: there is room for others' however many come of it.
 */
export interface EventRoom {
  /**
   * Resolves when there is memory for one more; the result gives it back. Null: a lost one that is not known yet.
   * @throws DeckhandError at once when as many wait already as may
   */
  enter(event: Inbound | null): Promise<() => void>;
}

/** 15,000 ordinary ones, which is more than a minute of 200 a second when nothing at all is applied meanwhile; 300 of the longest. */
const IN_FLIGHT = 64 * 1024 * 1024;
/** A thousand; what comes then is refused. A platform waits about three seconds for its acknowledgement. */
const WAITING = 4 * 1024 * 1024;
/** What an event takes besides its text: the promises that wait for it, its names, its keys. */
const EVENT_BYTES = 4 * 1024;
/** The lane of what others left undone. */
const LOST = 'lost';

/** Sizes are bytes: of events that are in flight, and that wait to be kept. */
export function createEventRoom(size = { in_flight: IN_FLIGHT, waiting: WAITING }): EventRoom {
  const room = createRoom('chat events', {
    size: size.in_flight,
    of_lane: size.in_flight / 2,
    waiting: size.waiting,
    waiting_of_lane: size.waiting / 2,
  });
  return {
    enter: (event) =>
      event === null
        ? room.enter(LOST, EVENT_BYTES)
        : room.enter(laneOf(originOf(event).conversation), weightOf(event)),
  };
}

/** What it takes of this process's memory, in bytes. */
function weightOf(event: Inbound): number {
  return EVENT_BYTES + 2 * charactersOf(event);
}

function charactersOf(event: Inbound): number {
  if (event.kind === 'message') return event.message.text.length;
  if (event.kind !== 'change') return 0;
  const { text, message } = event.change;
  return (text?.length ?? 0) + (message?.text.length ?? 0);
}
