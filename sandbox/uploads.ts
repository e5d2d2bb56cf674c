import { randomUUID } from 'node:crypto';
import { chmod, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { LRUCache } from 'lru-cache';
import type { MountedFile } from '../src/tools/workspace.ts';

const FOLDERS = 10_000;

/**
 * Lets a session's uploads folder hold exactly these files. It is the host's: the sandbox sees it read-only, and a file
 * that is added while something runs there is seen at once. One that is there is whole, because it comes by a rename: from
 * `parts`, a folder of this provider alone on the same file system. What this provider did not place there itself is
 * placed anew: another file may have had the name.
 */
export function createUploadPlacer(parts: string): (folder: string, files: readonly MountedFile[]) => Promise<void> {
  /** Each folder's latest placing. */
  const placing = new Map<string, Promise<void>>();
  /** The files' ids by name, of the folders placed last. */
  const placed = new LRUCache<string, Map<string, string>>({ max: FOLDERS });

  async function bring(folder: string, file: MountedFile): Promise<void> {
    const part = join(parts, `part-${randomUUID()}`);
    try {
      // Open before anything comes: a stream that opens it by itself may do so after it was removed.
      const handle = await open(part, 'wx', 0o600);
      await pipeline(file.content(), handle.createWriteStream());
      // The session's user reads it, whatever this process keeps to itself by default.
      await chmod(part, 0o444);
      await rename(part, join(folder, file.name));
    } finally {
      await rm(part, { force: true });
    }
  }

  async function place(folder: string, files: readonly MountedFile[]): Promise<void> {
    const wanted = new Set(files.map((file) => file.name));
    for (const name of await readdir(folder)) {
      if (!wanted.has(name)) await rm(join(folder, name), { recursive: true, force: true });
    }
    const ids = placed.get(folder) ?? new Map<string, string>();
    placed.set(folder, ids);
    for (const file of files) {
      const there = await lstat(join(folder, file.name)).catch(() => null);
      if (there?.size === file.size_bytes && ids.get(file.name) === file.id) continue;
      await bring(folder, file);
      ids.set(file.name, file.id);
    }
  }

  return (folder, files) => {
    const before = placing.get(folder) ?? Promise.resolve();
    const mine = before.catch(() => undefined).then(() => place(folder, files));
    const end = mine
      .catch(() => undefined)
      .finally(() => {
        if (placing.get(folder) === end) placing.delete(folder);
      });
    placing.set(folder, end);
    return mine;
  };
}
