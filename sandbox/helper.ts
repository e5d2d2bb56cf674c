import { type Host, killSandbox, launch, type SessionPaths } from './bubblewrap.ts';
import { HELPER_LIMITS } from './limits.ts';
import { discard, makeSlot, type Slot, type SlotDeps, type Slots } from './slots.ts';

/**
 * One short program over a session's files, in a sandbox of its own. File tools work this way, and not with the worker's
 * own file calls: whatever links, pipes and races the session's files hold, the kernel resolves them within the sandbox's
 * view as the sandbox's user, where there is nothing of the host to reach. A process namespace of its own also means that
 * the session's running processes cannot see, stop or trace it.
 */
export interface HelperRun {
  /** bash source. Its arguments are `$1`… */
  script: string;
  args: string[];
  stdin?: Uint8Array | string;
  signal: AbortSignal;
  /** Takes output as it comes, the next when a promise has resolved; false, or a rejection, ends the program. */
  onOutput: (chunk: Buffer) => boolean | Promise<boolean>;
}

export interface HelperEnd {
  /** null when it was killed: aborted, cut off by `onOutput`, or out of its limits; or when its output may have lost its end. */
  code: number | null;
  cut: boolean;
  stderr: string;
}

export interface HelperDeps {
  host: Host;
  helpers: Slots<Slot>;
  rlimits: string;
}

const STDERR_LIMIT = 2000;

/** @throws when no process can be started, or cannot be limited as a helper is */
export function makeHelperSlot(deps: SlotDeps): Promise<Slot> {
  return makeSlot(deps, { stdio: ['pipe', 'pipe', 'pipe', 'ignore', 'ignore'], limits: HELPER_LIMITS });
}

/** @throws when no process can be started, and TypeError when an argument has a NUL character */
export async function runHelper(deps: HelperDeps, paths: SessionPaths, run: HelperRun): Promise<HelperEnd> {
  if (run.signal.aborted) return { code: null, cut: false, stderr: '' };
  const slot = await deps.helpers.take();
  if (run.signal.aborted) {
    await discard(slot);
    return { code: null, cut: false, stderr: '' };
  }
  const { child, cgroup } = slot;
  try {
    let cut = false;
    let stderr = '';
    const kill = (): void => killSandbox(child);
    const goOn = (more: boolean): void => {
      if (more || cut) return;
      cut = true;
      kill();
    };
    const { stdout } = child;
    stdout?.on('data', (chunk: Buffer) => {
      const more = cut ? true : run.onOutput(chunk);
      if (typeof more === 'boolean') {
        goOn(more);
        return;
      }
      stdout.pause();
      void more
        .catch(() => false)
        .then(goOn)
        // Also when it was cut: the program's end is seen at the end of its output.
        .finally(() => stdout.resume());
    });
    child.stderr?.on('data', (chunk: Buffer) => {
      if (stderr.length < STDERR_LIMIT) stderr += chunk.toString('utf8');
    });
    // It may end without reading all of its input.
    child.stdin?.on('error', () => {});
    child.stdin?.end(run.stdin);
    const script = `${deps.rlimits}\ncd /workspace\n${run.script}`;
    const command = ['/bin/bash', '--norc', '--noprofile', '-c', script, 'bash', ...run.args];
    launch(deps.host, child, { paths, cwd: '/', command });
    run.signal.addEventListener('abort', kill, { once: true });
    try {
      const isWhole = (await slot.closed) === 'read';
      const { code } = await slot.ended;
      return { code: cut || run.signal.aborted || !isWhole ? null : code, cut, stderr: stderr.slice(0, STDERR_LIMIT) };
    } finally {
      run.signal.removeEventListener('abort', kill);
    }
  } finally {
    await cgroup?.remove();
  }
}
