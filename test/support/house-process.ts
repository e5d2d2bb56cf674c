import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** A real process of Deckhand's: the built program, as in production. */
export interface HouseProcess {
  /** Of a gateway; empty for a worker. */
  url: string;
  /** Of a worker that was asked to say how it is; else empty. */
  health_url: string;
  pid: number;
  /** Everything it has written so far. */
  output(): string;
  /** Resolves when it has ended, however it did: its exit code or the signal. */
  ended: Promise<number | string>;
  /** SIGKILL: nothing is cleaned up. */
  kill(): Promise<void>;
  /** SIGTERM unless another is named, and its exit code. */
  stop(signal?: 'SIGTERM' | 'SIGINT'): Promise<number | null>;
}

/** A start is 2 s of CPU time: a deadline for what hangs, not for what shares its machine. */
const START_MS = 120_000;

/** Built by the run's setup (global-setup.ts): it starts twice as fast as the source does, and a run starts hundreds. */
const BUILT = ['dist/src/main.js'];

/**
 * Start one and wait until it says that it runs.
 * @param env the whole environment; nothing is inherited but PATH
 * @param program what node runs; default the built program
 * @throws with everything it wrote when it ends instead, or says nothing for a minute
 */
export async function startHouseProcess(
  role: 'gateway' | 'worker' | undefined,
  env: Record<string, string>,
  program: readonly string[] = BUILT,
): Promise<HouseProcess> {
  const child = spawn(process.execPath, [...program, ...(role === undefined ? [] : [role])], {
    env: { PATH: process.env['PATH'] ?? '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<number | string>((resolve) => {
    // Not `exit`: its last words may still be on their way then.
    child.once('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  const isOver = (): boolean => child.exitCode !== null || child.signalCode !== null;

  async function kill(): Promise<void> {
    const gone = isOver() ? null : once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => {
      void kill().then(() => reject(new Error(`Deckhand did not start:\n${output}`)));
    }, START_MS);
    child.stdout.on('data', () => {
      if (!output.includes('Deckhand is running')) return;
      clearTimeout(timer);
      resolve();
    });
    void ended.then((how) => {
      clearTimeout(timer);
      reject(new Error(`Deckhand ended at start with ${how}:\n${output}`));
    });
  });
  return {
    url: /Page: (\S+)/.exec(output)?.[1] ?? '',
    health_url: /Health: (\S+)\/readyz/.exec(output)?.[1] ?? '',
    pid: child.pid ?? 0,
    output: () => output,
    ended,
    kill,
    async stop(signal = 'SIGTERM') {
      if (isOver()) return child.exitCode;
      const gone = once(child, 'exit');
      child.kill(signal);
      await gone;
      return child.exitCode;
    },
  };
}
