/** What the clients of all event streams have not read yet may weigh together, and those of one workspace: bytes. */
export interface UnreadLimits {
  all: number;
  of_workspace: number;
}

export const UNREAD: UnreadLimits = { all: 256 * 1024 * 1024, of_workspace: 128 * 1024 * 1024 };

/**
 * The frames that wait for sockets to take them. Each stream waits with one at a time; this is what bounds all of them
 * together. Where there is no room for one more, all who wait with the one that came first are let go: they can list what
 * they missed.
 */
export interface Unread {
  /**
   * A stream waits for its socket to take `frame`; several may wait with the same one, which is in memory once.
   * @param letGo called at most once, when others need the room
   * @returns to be called when the socket has taken it, or is gone
   */
  hold(workspace_id: string, frame: Buffer, letGo: () => void): () => void;
}

interface Held {
  workspace_id: string;
  waiting: Set<() => void>;
}

export function createUnread(limits: UnreadLimits): Unread {
  /** The frames that came first come first. */
  const held = new Map<Buffer, Held>();
  const ofWorkspace = new Map<string, number>();
  let all = 0;

  function add(workspace_id: string, bytes: number): void {
    all += bytes;
    const now = (ofWorkspace.get(workspace_id) ?? 0) + bytes;
    if (now > 0) ofWorkspace.set(workspace_id, now);
    else ofWorkspace.delete(workspace_id);
  }

  function forget(frame: Buffer, { workspace_id }: Held): void {
    held.delete(frame);
    add(workspace_id, -frame.length);
  }

  /** What came first makes room; never what came last, or nothing would ever be sent. */
  function makeRoom(latest: Buffer, isFull: () => boolean, mayGo: (one: Held) => boolean): void {
    for (const [frame, one] of held) {
      if (!isFull()) return;
      if (frame === latest || !mayGo(one)) continue;
      forget(frame, one);
      for (const letGo of one.waiting) letGo();
    }
  }

  return {
    hold(workspace_id, frame, letGo) {
      const known = held.get(frame);
      const one = known ?? { workspace_id, waiting: new Set() };
      one.waiting.add(letGo);
      if (known === undefined) {
        held.set(frame, one);
        add(workspace_id, frame.length);
        const isFull = (): boolean => (ofWorkspace.get(workspace_id) ?? 0) > limits.of_workspace;
        makeRoom(frame, isFull, (other) => other.workspace_id === workspace_id);
        makeRoom(
          frame,
          () => all > limits.all,
          () => true,
        );
      }
      return () => {
        one.waiting.delete(letGo);
        if (one.waiting.size === 0 && held.get(frame) === one) forget(frame, one);
      };
    },
  };
}
