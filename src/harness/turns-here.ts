/** The sessions whose turns this process takes at the moment. */
export interface TurnsHere {
  /** A turn begins; disposing ends it. `isFirst`: no other turn of the session is under way here. */
  enter(session_id: string): { isFirst: boolean } & Disposable;
}

export function createTurnsHere(): TurnsHere {
  const counts = new Map<string, number>();
  return {
    enter(session_id) {
      const before = counts.get(session_id) ?? 0;
      counts.set(session_id, before + 1);
      return {
        isFirst: before === 0,
        [Symbol.dispose]() {
          const left = (counts.get(session_id) ?? 1) - 1;
          if (left === 0) counts.delete(session_id);
          else counts.set(session_id, left);
        },
      };
    },
  };
}
