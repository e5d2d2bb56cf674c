import { once } from 'node:events';
import { type Host, killSandbox, launch, type SessionPaths } from './bubblewrap.ts';
import { type Cgroup, type CgroupTree, createCgroup } from './cgroup.ts';
import { HELPER_LIMITS } from './limits.ts';

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
  /** null when it was killed: aborted, cut off by `onOutput`, or out of its limits. */
  code: number | null;
  cut: boolean;
  stderr: string;
}

export interface HelperDeps {
  host: Host;
  cgroups: CgroupTree | null;
  /** A name for a control group that nobody else uses. */
  nextName: () => string;
  rlimits: string;
}

const STDERR_LIMIT = 2000;

export async function runHelper(deps: HelperDeps, paths: SessionPaths, run: HelperRun): Promise<HelperEnd> {
  if (run.signal.aborted) return { code: null, cut: false, stderr: '' };
  const cgroup: Cgroup | null =
    deps.cgroups === null ? null : createCgroup(deps.cgroups, deps.nextName(), HELPER_LIMITS);
  try {
    const child = launch(deps.host, {
      paths,
      cgroup,
      cwd: '/',
      command: [
        '/bin/bash',
        '--norc',
        '--noprofile',
        '-c',
        `${deps.rlimits}\ncd /workspace\n${run.script}`,
        'bash',
        ...run.args,
      ],
      stdio: [run.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe', 'ignore', 'ignore'],
    });
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
    run.signal.addEventListener('abort', kill, { once: true });
    try {
      const [code] = (await once(child, 'close')) as [number | null];
      return { code: cut || run.signal.aborted ? null : code, cut, stderr: stderr.slice(0, STDERR_LIMIT) };
    } finally {
      run.signal.removeEventListener('abort', kill);
    }
  } finally {
    await cgroup?.remove();
  }
}
