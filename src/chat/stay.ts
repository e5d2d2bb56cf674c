import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Room } from './room.ts';

/** A place in a room, which is somebody else's while its owner waits for what is done elsewhere. */
export interface Stay {
  /** @throws what the work threw; its owner is inside again by then */
  outside<T>(work: () => Promise<T>): Promise<T>;
  leave(): void;
}

/** Resolves when there is room. */
export async function stayIn(enter: () => ReturnType<Room['enter']>): Promise<Stay> {
  let leave = await enter();
  return {
    async outside(work) {
      const working = work();
      // What a platform refuses at once, as in a flood, is not worth waiting for a place again.
      if (await settlesAtOnce(working)) return working;
      leave();
      try {
        return await working;
      } finally {
        leave = await enter();
      }
    },
    leave: () => leave(),
  };
}

/** Whether nothing outside of this process has to happen before. */
function settlesAtOnce(work: Promise<unknown>): Promise<boolean> {
  const settled = () => true;
  return Promise.race([work.then(settled, settled), nextTurn(false)]);
}
