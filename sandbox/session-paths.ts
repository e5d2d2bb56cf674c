import { createHash } from 'node:crypto';
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { InvalidInputError } from '../src/errors.ts';
import { ETC_FILES, HOST_NAME, NAMESPACE_UID, type SessionPaths } from './bubblewrap.ts';

/**
 * User ids that systemd's allocation table leaves to nobody (systemd.io/UIDS-GIDS: 1879048192 to 2147483647). A session
 * keeps its own, so that sessions are strangers to one another even outside their sandboxes.
 */
const FIRST_UID = 1_879_048_192;
const UIDS = 2 ** 28 - 1;

export function sessionFolder(workspaces: string, sessionId: string): string {
  if (!/^[A-Za-z0-9_-]{1,128}$/.test(sessionId)) throw new InvalidInputError('is not a session id', 'session_id');
  return join(workspaces, sessionId);
}

export function outputsFolder(workspaces: string, sessionId: string): string {
  return join(sessionFolder(workspaces, sessionId), 'outputs');
}

export function uploadsFolder(workspaces: string, sessionId: string): string {
  return join(sessionFolder(workspaces, sessionId), 'uploads');
}

/** The session's folders, made when they are not there; `isNew`: none was. */
export function preparePaths(
  workspaces: string,
  sessionId: string,
  asRoot: boolean,
): { paths: SessionPaths; isNew: boolean } {
  const folder = sessionFolder(workspaces, sessionId);
  const digest = createHash('sha256').update(sessionId).digest();
  const uid = asRoot ? FIRST_UID + (digest.readUInt32BE(0) % UIDS) : NAMESPACE_UID;
  const paths = {
    files: join(folder, 'files'),
    tmp: join(folder, 'tmp'),
    etc: join(folder, 'etc'),
    uploads: uploadsFolder(workspaces, sessionId),
    outputs: outputsFolder(workspaces, sessionId),
    uid,
  };
  const isNew = mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined;
  const own = [paths.files, paths.tmp, paths.outputs];
  for (const path of [...own, paths.etc, paths.uploads]) mkdirSync(path, { recursive: true, mode: 0o700 });
  // The session's user reads it, and has no right to it beyond that.
  chmodSync(paths.uploads, 0o755);
  if (asRoot) for (const path of own) chownSync(path, uid, uid);
  const content: Record<(typeof ETC_FILES)[number], string> = {
    passwd: `root:x:0:0:root:/root:/bin/false\nagent:x:${uid}:${uid}:agent:/workspace:/bin/bash\n`,
    group: `root:x:0:\nagent:x:${uid}:\n`,
    hosts: `127.0.0.1 localhost ${HOST_NAME}\n::1 localhost\n`,
    hostname: `${HOST_NAME}\n`,
    'nsswitch.conf': 'passwd: files\ngroup: files\nhosts: files\n',
  };
  for (const name of ETC_FILES) writeFileSync(join(paths.etc, name), content[name], { mode: 0o644 });
  return { paths, isNew };
}
