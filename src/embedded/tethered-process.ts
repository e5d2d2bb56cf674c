import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

/**
 * A child process that cannot outlive its parent, however the parent dies.
 *
 * A shell starts a watcher that blocks on the read end of a pipe whose write end only the parent holds, then becomes the
 * program. When the pipe closes (the parent closed it, exited, or was killed with -9) the watcher sends SIGTERM, and
 * SIGKILL after `GRACE_S` seconds. A line in the pipe instead tells the watcher that the program ended by itself.
 * The program is the leader of a process session of its own, so Ctrl-C in a terminal reaches only the parent.
 */
export interface TetheredProcess {
  readonly pid: number;
  readonly stdout: Readable;
  readonly stderr: Readable;
  /** Resolves when the program has ended, with its exit code or signal in words. Never rejects. */
  readonly ended: Promise<string>;
  /** Ask the program to end and wait until it has. Safe to call twice. */
  close(): Promise<void>;
}

/** Seconds between SIGTERM and SIGKILL; a database writes its last checkpoint in this time. */
const GRACE_S = 10;

const WATCH = `exec 3<&0 </dev/null
(
  read -r _ <&3 && exit 0
  kill -TERM $$ || exit 0
  left=${GRACE_S * 5}
  while [ $left -gt 0 ] && kill -0 $$; do sleep 0.2; left=$((left - 1)); done
  kill -KILL $$
) >/dev/null 2>&1 &
exec 3<&-
exec "$@"`;

/**
 * @param env the whole environment of the program; nothing is inherited
 * @throws what spawning a shell throws; a program that is missing ends with code 127
 */
export async function spawnTethered(
  command: readonly string[],
  options: { cwd: string; env: Record<string, string> },
): Promise<TetheredProcess> {
  const child: ChildProcess = spawn('/bin/sh', ['-c', WATCH, 'deckhand', ...command], {
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null) throw new Error('The child process has no pipes.');
  // The watcher may be gone before the line reaches it.
  stdin.on('error', () => {});
  const ended = once(child, 'exit').then(
    ([code, signal]: unknown[]) => {
      stdin.end('ended\n');
      return typeof signal === 'string' ? `signal ${signal}` : `code ${String(code)}`;
    },
    (error: unknown) => String(error),
  );
  await once(child, 'spawn');
  return {
    pid: child.pid ?? 0,
    stdout,
    stderr,
    ended,
    async close() {
      stdin.destroy();
      await ended;
    },
  };
}
