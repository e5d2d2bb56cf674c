import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { opendir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { DeckhandError } from '../src/errors.ts';
import type { MountedFile, WorkspaceLimits, WorkspaceProvider } from '../src/tools/workspace.ts';
import type { Host } from './bubblewrap.ts';
import { type CgroupTree, detectCgroups } from './cgroup.ts';
import { DiskWatch, freeOf } from './disk-watch.ts';
import { makeHelperSlot } from './helper.ts';
import { resolveLimits } from './limits.ts';
import { groupNames, orphanRuns, reapGroups, runPrefix } from './orphans.ts';
import { PipeMaker } from './pipes.ts';
import { seccompProgram } from './seccomp.ts';
import { outputsFolder, preparePaths, sessionFolder, uploadsFolder } from './session-paths.ts';
import { makeShellSlot } from './shell.ts';
import { Slots } from './slots.ts';
import { createUploadPlacer } from './uploads.ts';
import { BubblewrapWorkspace } from './workspace.ts';

export interface BubblewrapOptions {
  /** Sessions' files live in `<data_dir>/workspaces/<session_id>`. */
  data_dir: string;
  worker_id: string;
  logger: { info(facts: object, message: string): void; warn(facts: object, message: string): void };
  defaults?: Partial<WorkspaceLimits>;
}

const PROGRAM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/bin'];
const REMEDY =
  'Install bubblewrap 0.8 or newer (Debian: apt install bubblewrap; Fedora: dnf install bubblewrap) and allow user namespaces, or run as root.';

/** Workspaces isolated with bubblewrap. @throws DeckhandError `sandbox_unavailable` when this host cannot make one. */
export function createBubblewrapProvider(options: BubblewrapOptions): WorkspaceProvider {
  const dataDir = resolve(options.data_dir);
  const workspaces = join(dataDir, 'workspaces');
  mkdirSync(workspaces, { recursive: true, mode: 0o700 });
  const runDir = mkdtempSync(join(workspaces, runPrefix()));
  const host = findHost(runDir);
  const cgroups = detectCgroups();
  const limits = resolveLimits(options.defaults);
  const pipes = new PipeMaker(runDir);
  const disks = new DiskWatch(() => freeOf(workspaces));
  const slotDeps = { host, cgroups, nextName: groupNames() };
  const shells = new Slots(() => makeShellSlot(slotDeps, pipes));
  const helpers = new Slots(() => makeHelperSlot(slotDeps));
  const placeUploads = createUploadPlacer(runDir);
  const open = new Map<string, BubblewrapWorkspace>();
  /** What names the files that an open workspace's uploads folder holds. */
  const mounted = new WeakMap<BubblewrapWorkspace, string>();
  /** The latest placing of each session whose files are being placed. */
  const placing = new Map<string, symbol>();

  /** Whether the session's folder holds just these files then: false while others are on their way. */
  async function place(sessionId: string, files: readonly MountedFile[]): Promise<boolean> {
    const mine = Symbol(sessionId);
    placing.set(sessionId, mine);
    try {
      await placeUploads(uploadsFolder(workspaces, sessionId), files);
      return placing.get(sessionId) === mine;
    } finally {
      if (placing.get(sessionId) === mine) placing.delete(sessionId);
    }
  }

  return {
    name: 'bubblewrap',
    describe: () => describeHost(host, cgroups),
    async open(request) {
      const isNew = !open.has(request.session_id) && preparePaths(workspaces, request.session_id, host.asRoot).isNew;
      const before = open.get(request.session_id);
      // Every call opens it, nearly always with the same files.
      const files = JSON.stringify(request.uploads?.map(({ id, name }) => [id, name])) ?? '';
      if (before !== undefined && mounted.get(before) === files) return before;
      if (before !== undefined && request.uploads !== undefined) mounted.delete(before);
      const isMounted = request.uploads !== undefined && (await place(request.session_id, request.uploads));
      const running = open.get(request.session_id);
      if (running !== undefined) {
        if (isMounted) mounted.set(running, files);
        return running;
      }
      // Again, because the session may have been deleted meanwhile.
      const { paths } = preparePaths(workspaces, request.session_id, host.asRoot);
      const own = resolveLimits(limits, request.limits);
      const workspace: BubblewrapWorkspace = new BubblewrapWorkspace(
        {
          host,
          shells,
          helpers,
          disks,
          rlimits: resourceLimits(own, cgroups),
          onProgressError: (err) =>
            options.logger.warn({ session_id: request.session_id, err }, 'a listener of command output failed'),
        },
        request.session_id,
        paths,
        own,
        isNew,
        () => {
          if (open.get(request.session_id) === workspace) open.delete(request.session_id);
        },
      );
      if (isMounted) mounted.set(workspace, files);
      open.set(request.session_id, workspace);
      return workspace;
    },
    async hasOutputs(sessionId) {
      // Most sessions never had a sandbox here, and every run asks.
      if (!existsSync(outputsFolder(workspaces, sessionId))) return false;
      try {
        // Leaving the loop closes it.
        for await (const _first of await opendir(outputsFolder(workspaces, sessionId))) return true;
        return false;
      } catch {
        return false;
      }
    },
    async sessions() {
      const entries = await readdir(workspaces, { withFileTypes: true });
      return entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.')).map((entry) => entry.name);
    },
    async destroy(sessionId) {
      await open.get(sessionId)?.[Symbol.asyncDispose]();
      const code = await remove(sessionFolder(workspaces, sessionId));
      if (code !== 0) options.logger.warn({ session_id: sessionId, code }, 'files of a session could not be deleted');
    },
    async reapIdle(idleMs) {
      const idle = [...open.values()].filter((entry) => entry.inUse === 0 && Date.now() - entry.lastUsed >= idleMs);
      await Promise.all(idle.map((entry) => entry[Symbol.asyncDispose]()));
      return idle.length;
    },
    async reapOrphans() {
      const runs = orphanRuns(await readdir(workspaces));
      await Promise.all(runs.map((name) => remove(join(workspaces, name))));
      const count = runs.length + (cgroups === null ? 0 : await reapGroups(cgroups));
      if (count > 0)
        options.logger.info({ worker_id: options.worker_id, count }, 'ended what a dead worker left behind');
      return count;
    },
    async close() {
      await Promise.all([...open.values()].map((entry) => entry[Symbol.asyncDispose]()));
      await Promise.all([shells.close(), helpers.close()]);
      rmSync(runDir, { recursive: true, force: true });
    },
  };
}

/** `rm`, and not Node's: paths of any depth, and it never follows a link. Returns its exit code. */
async function remove(path: string): Promise<unknown> {
  const [code] = await once(spawn('/bin/rm', ['-rf', '--one-file-system', '--', path], { stdio: 'ignore' }), 'exit');
  return code;
}

function findHost(runDir: string): Host {
  const bwrap = PROGRAM_FOLDERS.map((folder) => join(folder, 'bwrap')).find(isExecutable);
  if (bwrap === undefined) {
    throw new DeckhandError('sandbox_unavailable', 'bubblewrap (bwrap) is not installed.', { remedy: REMEDY });
  }
  const asRoot = process.getuid?.() === 0;
  const namespaces = asRoot
    ? ['--unshare-pid', '--unshare-net']
    : ['--unshare-all', '--unshare-user', '--disable-userns'];
  const probe = spawnSync(bwrap, [...namespaces, '--ro-bind', '/', '/', '--proc', '/proc', '--', '/bin/true'], {
    encoding: 'utf8',
    env: {},
  });
  if (probe.status !== 0) {
    throw new DeckhandError('sandbox_unavailable', `bubblewrap does not work here: ${probe.stderr.trim()}`, {
      remedy: REMEDY,
    });
  }
  const program = seccompProgram(process.arch);
  const seccompFile = program === null ? null : join(runDir, 'seccomp.bpf');
  if (program !== null && seccompFile !== null) writeFileSync(seccompFile, program, { mode: 0o600 });
  return { bwrap, asRoot, seccompFile };
}

/** The limits that each process carries by itself. Without control groups they also stand in for those, more loosely. */
function resourceLimits(limits: WorkspaceLimits, cgroups: CgroupTree | null): string {
  const lines = ['ulimit -c 0 -n 1024', `ulimit -f ${Math.ceil(limits.file_bytes / 1024)}`];
  if (cgroups?.parents.has('pids') !== true) lines.push(`ulimit -u ${limits.processes}`);
  if (cgroups?.parents.has('memory') !== true) lines.push(`ulimit -d ${Math.ceil(limits.memory_bytes / 1024)}`);
  return lines.join('\n');
}

function describeHost(host: Host, cgroups: CgroupTree | null): string {
  const user = host.asRoot ? 'a user id of its own per session' : 'a user namespace';
  const seccomp = host.seccompFile === null ? 'no seccomp filter on this architecture' : 'seccomp filter';
  const groups = cgroups === null ? [] : [...cgroups.parents.keys()];
  const tree = cgroups === null ? '' : `cgroup v${cgroups.version} (${groups.join(', ')}), `;
  const loose = [
    ...(groups.includes('pids') ? [] : ['processes by rlimit']),
    ...(groups.includes('memory') ? [] : ['memory by rlimit, per process only']),
    ...(groups.includes('cpu') ? [] : ['CPU not limited']),
  ];
  return `bubblewrap with ${user}, no network, ${seccomp}; limits: ${tree}${[...loose, 'file size by rlimit', 'disk and output watched'].join(', ')}`;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
