import { createRoom, type Room } from './room.ts';

/** Where files wait to be fetched, shared fairly among workspaces. */
export interface FetchRoom {
  /** Resolves when it is this one's turn; the result gives the place back. @param workspace whose file it is */
  enter(workspace: string): ReturnType<Room['enter']>;
}

/** Fetched at once, with a few MB of each in memory. */
const TOGETHER = 8;
/** Beyond these, one of each workspace of which none is being fetched: a large file takes minutes, and others wait for none of its. */
const MOST = 32;

export function createFetchRoom(together = TOGETHER, most = MOST): FetchRoom {
  const room = createRoom('files to fetch', { size: together, size_for_first: most });
  return { enter: (workspace) => room.enter(workspace) };
}
