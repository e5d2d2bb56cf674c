/** Where files wait to be fetched, shared fairly among workspaces. */
export interface FetchRoom {
  /** Resolves when it is this one's turn; the result gives the place back. @param workspace whose file it is */
  enter(workspace: string): Promise<() => void>;
}

/** Fetched at once, with a few MB of each in memory. */
const TOGETHER = 8;
/** Beyond these, one of each workspace of which none is being fetched: a large file takes minutes, and others wait for none of its. */
const MOST = 32;

/** The next is of the workspace that has the fewest inside, then of the one that waits for its turn longest. */
export function createFetchRoom(together = TOGETHER, most = MOST): FetchRoom {
  const inside = new Map<string, number>();
  /** In the order of their turns. */
  const waiting = new Map<string, Array<() => void>>();
  let total = 0;

  const insideOf = (workspace: string) => inside.get(workspace) ?? 0;

  function letIn(): void {
    for (;;) {
      const [next] = [...waiting].toSorted(([a], [b]) => insideOf(a) - insideOf(b));
      if (next === undefined) return;
      const [workspace, [first, ...others]] = next;
      if (total >= (insideOf(workspace) === 0 ? most : together)) return;
      waiting.delete(workspace);
      if (others.length > 0) waiting.set(workspace, others);
      inside.set(workspace, insideOf(workspace) + 1);
      total += 1;
      first?.();
    }
  }

  return {
    async enter(workspace) {
      await new Promise<void>((resolve) => {
        waiting.set(workspace, [...(waiting.get(workspace) ?? []), resolve]);
        letIn();
      });
      let left = false;
      return () => {
        if (left) return;
        left = true;
        total -= 1;
        if (insideOf(workspace) === 1) inside.delete(workspace);
        else inside.set(workspace, insideOf(workspace) - 1);
        letIn();
      };
    },
  };
}
