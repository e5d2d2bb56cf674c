import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

/**
 * The longest path of a folder whose sockets still fit into a socket address: 104 bytes on macOS (108 on Linux), less
 * the 38 of `/embedded-mongodb-XXXXXX/mongodb.sock` and its end.
 */
const LONGEST_DIR = 104 - 38;

/**
 * A folder for Unix sockets that only this user can enter: `<dataDir>/run/<name>`, emptied, or one below the system's
 * temporary folder where that path would be too long for a socket address.
 * @param name of the service, unique within the data directory
 */
export async function makeRuntimeDir(dataDir: string, name: string): Promise<string> {
  const preferred = resolve(dataDir, 'run', name);
  if (Buffer.byteLength(preferred) > LONGEST_DIR) return mkdtemp(join(tmpdir(), 'deckhand-'));
  await rm(preferred, { recursive: true, force: true });
  await mkdir(preferred, { recursive: true });
  await chmod(preferred, 0o700);
  return preferred;
}
