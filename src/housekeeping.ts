import type { Logger } from './logger.ts';
import type { EndedSessions } from './resources/ended-sessions.ts';
import type { Files } from './resources/files.ts';
import type { WorkspaceProvider } from './tools/workspace.ts';

/** Sessions that are asked for at once. */
const BATCH = 1_000;

/**
 * What need not be kept: sandboxes that nobody uses, what dead workers left, files of sessions that ended while this worker
 * was away or could not be told, and in the database files that never arrived. One round, with a failure of one part left to the next round.
 */
export async function keepHouse(
  deps: {
    workspaces: Pick<WorkspaceProvider, 'reapIdle' | 'reapOrphans' | 'sessions' | 'destroy'>;
    ended: Pick<EndedSessions, 'among'>;
    files: Pick<Files, 'sweep'>;
    logger: Logger;
  },
  idle_ms: number,
): Promise<void> {
  const { workspaces, ended, files, logger } = deps;

  async function forgetEnded(): Promise<void> {
    const here = await workspaces.sessions();
    for (let at = 0; at < here.length; at += BATCH) {
      for (const session_id of await ended.among(here.slice(at, at + BATCH))) {
        await workspaces.destroy(session_id);
        logger.info({ session_id }, 'removed the files of a session that has ended');
      }
    }
  }

  async function forgetFiles(): Promise<void> {
    const count = await files.sweep();
    if (count > 0) logger.info({ count }, 'removed files that never arrived or were being removed');
  }

  const parts = [() => workspaces.reapOrphans(), () => workspaces.reapIdle(idle_ms), forgetEnded, forgetFiles];
  for (const part of parts) {
    await part().catch((err: unknown) => logger.warn({ err }, 'housekeeping failed; the next round tries again'));
  }
}
