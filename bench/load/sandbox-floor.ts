import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { msOf, type Timed, timed } from './timed.ts';

const ARGS =
  '--ro-bind / / --unshare-pid --unshare-net --unshare-ipc --unshare-uts --die-with-parent --proc /proc --dev /dev';

/** Bubblewrap by itself: new namespaces, one program that does nothing, and its end. */
export async function bareBwrap(request: { count: number }): Promise<Timed<number>> {
  return timed(request.count, 1, () =>
    msOf(async () => {
      const child = spawn('bwrap', [...ARGS.split(' '), '/bin/true'], { stdio: 'ignore' });
      const [code] = await once(child, 'exit');
      if (code !== 0) throw new Error(`bwrap ended with ${code}`);
    }),
  );
}

export interface BareShell extends AsyncDisposable {
  /** Resolves when the command has printed `mark`, which no other may print. @throws when the shell has ended */
  run(command: string, mark: string): Promise<void>;
}

/** A bash in a bare bubblewrap that lives from one command to the next. */
export function openBareShell(): BareShell {
  const child = spawn('bwrap', [...ARGS.split(' '), '/bin/bash', '--norc', '--noprofile'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = once(child, 'exit');
  // Whoever runs a command hears of it.
  ended.catch(() => undefined);
  child.stdin.on('error', () => undefined);
  child.stdout.setEncoding('utf8');
  return {
    async run(command, mark) {
      const said = new Promise<void>((resolve) => {
        let output = '';
        const hear = (text: string) => {
          output += text;
          if (!output.includes(mark)) return;
          child.stdout.off('data', hear);
          resolve();
        };
        child.stdout.on('data', hear);
      });
      const lost = ended.then(() => Promise.reject(new Error('The bare shell has ended')));
      child.stdin.write(`${command}\n`);
      await Promise.race([said, lost]);
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      await ended;
    },
  };
}
