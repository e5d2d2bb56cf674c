import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { mkdir, rmdir } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { WorkspaceLimits } from '../src/tools/workspace.ts';
import { killProcess } from './process-table.ts';

/** The kernel's limits that hold for a whole tree of processes. */
export type Controller = 'pids' | 'memory' | 'cpu';
export type CgroupLimits = Pick<WorkspaceLimits, 'processes' | 'memory_bytes' | 'cpus'>;

/** Where this process may make control groups: one parent folder per controller (v1), or one for all of them (v2). */
export interface CgroupTree {
  version: 1 | 2;
  parents: Map<Controller, string>;
}

const CONTROLLERS: readonly Controller[] = ['pids', 'memory', 'cpu'];
/** Period of the CPU quota, in microseconds (the kernel's own default). */
const CPU_PERIOD_US = 100_000;

/** One sandbox's control group. */
export interface Cgroup {
  name: string;
  /** A process enters by writing its own number into each of these. */
  procs: string[];
  /** Hold what is in it, and what comes, to these. Without, it has none. */
  limit(limits: CgroupLimits): void;
  /** True when it has (nearly) used up its process limit: a fork bomb, or about to fail like one. */
  isFull(): boolean;
  /** How often a process was refused because of the limit. */
  processRefusals(): number;
  /** How often the kernel killed something in it for memory. */
  memoryKills(): number;
  /** End what still runs in it, and keep it. Never throws; gives up after seconds. */
  empty(): Promise<void>;
  /** End what still runs in it and remove it. Never throws; what cannot be removed is an orphan for the next start. */
  remove(): Promise<void>;
}

/**
 * What this host allows: cgroup v1 controllers we may write to, a delegated cgroup v2 tree, or null.
 * A controller counts only when a group can be made under it.
 */
export function detectCgroups(mountinfo = '/proc/self/mountinfo', membership = '/proc/self/cgroup'): CgroupTree | null {
  const mounts = readLines(mountinfo).map(parseMount);
  const paths = readLines(membership).map((line) => line.split(':'));
  const parents = new Map<Controller, string>();
  for (const controller of CONTROLLERS) {
    const mount = mounts.find((entry) => entry.type === 'cgroup' && entry.options.includes(controller));
    const path = paths.find(([, controllers]) => controllers?.split(',').includes(controller))?.[2];
    if (mount === undefined || path === undefined) continue;
    const parent = join(mount.point, relative(mount.root, path));
    if (canMakeGroup(parent)) parents.set(controller, parent);
  }
  if (parents.size > 0) return { version: 1, parents };

  const unified = mounts.find((entry) => entry.type === 'cgroup2');
  const own = paths.find(([id]) => id === '0')?.[2];
  if (unified === undefined || own === undefined) return null;
  const parent = delegatedParent(join(unified.point, relative(unified.root, own)));
  if (parent === null) return null;
  const enabled = readWords(join(parent, 'cgroup.subtree_control'));
  for (const controller of CONTROLLERS) if (enabled.includes(controller)) parents.set(controller, parent);
  return parents.size > 0 ? { version: 2, parents } : null;
}

/**
 * Make a control group. Making and removing one wait for whatever process is on its way into another (as long as the kernel
 * needs to see every processor pass by), so neither is done in the event loop.
 */
export async function createCgroup(tree: CgroupTree, name: string): Promise<Cgroup> {
  const dirs = new Map([...tree.parents].map(([controller, parent]) => [controller, join(parent, name)]));
  const unique = [...new Set(dirs.values())];
  await makeAll(unique);
  let full = Number.POSITIVE_INFINITY;
  const pids = dirs.get('pids');
  const memory = dirs.get('memory');
  return {
    name,
    procs: unique.map((dir) => join(dir, 'cgroup.procs')),
    limit(limits) {
      full = limits.processes * 0.9;
      for (const [controller, dir] of dirs) setLimit(tree.version, controller, dir, limits);
    },
    isFull: () => pids !== undefined && Number(readWords(join(pids, 'pids.current'))[0]) >= full,
    // `max` counts refusals, in v1 and v2 alike.
    processRefusals: () => (pids === undefined ? 0 : counter(join(pids, 'pids.events'), 'max')),
    memoryKills() {
      if (memory === undefined) return 0;
      return counter(join(memory, tree.version === 1 ? 'memory.oom_control' : 'memory.events'), 'oom_kill');
    },
    async empty() {
      for (let attempt = 0; attempt < ATTEMPTS && unique.some(killAll); attempt++) await delay(pause(attempt));
    },
    remove: () => removeGroups(unique),
  };
}

/** All of these folders, or none. */
async function makeAll(dirs: string[]): Promise<void> {
  const made: string[] = [];
  try {
    for (const dir of dirs) {
      await mkdir(dir);
      made.push(dir);
    }
  } catch (error) {
    for (const dir of made) await rmdir(dir);
    throw error;
  }
}

/** Kill what is in a group; whether something was. A process that is not of our process namespace has the number 0. */
function killAll(dir: string): boolean {
  const pids = readWords(join(dir, 'cgroup.procs')).map(Number);
  for (const pid of pids) if (pid > 0) killProcess(pid);
  return pids.length > 0;
}

const ATTEMPTS = 50;

function pause(attempt: number): number {
  return Math.min(2 ** attempt, 40);
}

/** Names of groups below this tree that `isOrphan` says nobody owns any more. */
export function listCgroups(tree: CgroupTree): string[] {
  const parents = new Set(tree.parents.values());
  return [...new Set([...parents].flatMap((parent) => readdirSync(parent)))];
}

export function removeCgroup(tree: CgroupTree, name: string): Promise<void> {
  return removeGroups([...new Set(tree.parents.values())].map((parent) => join(parent, name)));
}

async function removeGroups(dirs: string[]): Promise<void> {
  for (const dir of dirs) {
    // The last process may still be on its way out; a group is removable a moment after it is empty.
    for (let attempt = 0; attempt < ATTEMPTS && existsSync(dir); attempt++) {
      killAll(dir);
      try {
        await rmdir(dir);
      } catch {
        await delay(pause(attempt));
      }
    }
  }
}

function setLimit(version: 1 | 2, controller: Controller, dir: string, limits: CgroupLimits): void {
  const quota = String(Math.max(1000, Math.round(limits.cpus * CPU_PERIOD_US)));
  const memory = String(limits.memory_bytes);
  switch (controller) {
    case 'pids':
      write(dir, 'pids.max', String(limits.processes));
      break;
    case 'memory':
      write(dir, version === 1 ? 'memory.limit_in_bytes' : 'memory.max', memory);
      // Swap counts too, where the kernel accounts for it; else a hog would only become slow.
      if (version === 1) writeIfPresent(dir, 'memory.memsw.limit_in_bytes', memory);
      else writeIfPresent(dir, 'memory.swap.max', '0');
      break;
    case 'cpu':
      if (version === 2) write(dir, 'cpu.max', `${quota} ${CPU_PERIOD_US}`);
      else {
        write(dir, 'cpu.cfs_period_us', String(CPU_PERIOD_US));
        write(dir, 'cpu.cfs_quota_us', quota);
      }
      break;
    default:
      controller satisfies never;
  }
}

/**
 * A v2 group either holds processes or has controllers for its children. When this one is ours to arrange, its processes
 * (a service's own) move into a leaf, and the group becomes the parent of the sandboxes.
 */
function delegatedParent(own: string): string | null {
  const wanted = readWords(join(own, 'cgroup.controllers')).filter((name) => CONTROLLERS.includes(name as Controller));
  if (wanted.length === 0) return null;
  if (own.endsWith('/deckhand-worker')) return canMakeGroup(join(own, '..')) ? join(own, '..') : null;
  try {
    const leaf = join(own, 'deckhand-worker');
    if (!existsSync(leaf)) mkdirSync(leaf);
    for (const pid of readWords(join(own, 'cgroup.procs'))) write(leaf, 'cgroup.procs', pid);
    write(own, 'cgroup.subtree_control', wanted.map((name) => `+${name}`).join(' '));
    return canMakeGroup(own) ? own : null;
  } catch {
    return null;
  }
}

function canMakeGroup(parent: string): boolean {
  const probe = join(parent, `deckhand-probe-${process.pid}`);
  try {
    mkdirSync(probe);
    rmdirSync(probe);
    return true;
  } catch {
    return false;
  }
}

function parseMount(line: string): { root: string; point: string; type: string; options: string[] } {
  const [before = '', after = ''] = line.split(' - ');
  const [, , , root = '/', point = '/'] = before.split(' ');
  const [type = '', , options = ''] = after.split(' ');
  return { root, point, type, options: options.split(',') };
}

function write(dir: string, file: string, value: string): void {
  writeFileSync(join(dir, file), value);
}

function writeIfPresent(dir: string, file: string, value: string): void {
  if (existsSync(join(dir, file))) write(dir, file, value);
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(Boolean);
  } catch {
    return [];
  }
}

/** A line such as `max 3` of a file of counters; 0 where there is none. */
function counter(path: string, name: string): number {
  const line = readLines(path).find((one) => one.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? 0);
}

function readWords(path: string): string[] {
  return readLines(path).flatMap((line) => line.split(' '));
}
