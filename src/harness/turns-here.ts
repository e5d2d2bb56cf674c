/** The sessions that this process holds the lease of, as far as it knows. */
export interface TurnsHere {
  /** It has taken the lease; disposing says that it has it no more. */
  enter(session_id: string): Disposable;
  has(session_id: string): boolean;
}

export function createTurnsHere(): TurnsHere {
  // A session may be here twice for a moment: a turn that has given it back, and the next one.
  const turns = new Map<string, Set<object>>();
  return {
    has: (session_id) => turns.has(session_id),
    enter(session_id) {
      const turn = {};
      const others = turns.get(session_id) ?? new Set();
      turns.set(session_id, others.add(turn));
      return {
        [Symbol.dispose]() {
          others.delete(turn);
          if (others.size === 0 && turns.get(session_id) === others) turns.delete(session_id);
        },
      };
    },
  };
}
