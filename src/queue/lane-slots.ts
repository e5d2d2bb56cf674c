/** What one process does at once, shared among lanes: each lane may hold at most `limit` slots. */
export interface LaneSlots {
  /**
   * Take a slot of this lane, waiting up to `ms` for one to come free. Null: the lane holds all it may. The result gives
   * the slot back.
   */
  enter(lane: string, ms: number): Promise<(() => void) | null>;
}

export function createLaneSlots(limit: number): LaneSlots {
  const held = new Map<string, number>();
  const waiting = new Map<string, Set<() => void>>();

  function take(lane: string): () => void {
    held.set(lane, (held.get(lane) ?? 0) + 1);
    return () => {
      const left = (held.get(lane) ?? 0) - 1;
      if (left > 0) held.set(lane, left);
      else held.delete(lane);
      const [first] = waiting.get(lane) ?? [];
      first?.();
    };
  }

  /** True when one came free for this caller. */
  async function comesFree(lane: string, ms: number): Promise<boolean> {
    const queue = waiting.get(lane) ?? new Set();
    waiting.set(lane, queue);
    const free = await new Promise<boolean>((resolve) => {
      const end = (came: boolean) => {
        clearTimeout(late);
        queue.delete(called);
        resolve(came);
      };
      const called = () => end(true);
      const late = setTimeout(() => end(false), ms);
      queue.add(called);
    });
    if (queue.size === 0) waiting.delete(lane);
    return free;
  }

  return {
    async enter(lane, ms) {
      while ((held.get(lane) ?? 0) >= limit) {
        if (!(await comesFree(lane, ms))) return null;
      }
      return take(lane);
    },
  };
}
