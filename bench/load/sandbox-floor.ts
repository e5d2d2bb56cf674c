import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type Timed, timed } from './floors.ts';

const ARGS =
  '--ro-bind / / --unshare-pid --unshare-net --unshare-ipc --unshare-uts --die-with-parent --proc /proc --dev /dev';

/** Bubblewrap by itself: new namespaces, one program that does nothing, and its end. */
export async function bareBwrap(request: { count: number }): Promise<Timed> {
  return timed(request.count, 1, async () => {
    const child = spawn('bwrap', [...ARGS.split(' '), '/bin/true'], { stdio: 'ignore' });
    const [code] = await once(child, 'exit');
    if (code !== 0) throw new Error(`bwrap ended with ${code}`);
  });
}
