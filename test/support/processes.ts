import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

/** A process of this machine. Its start time tells it from a later one with the same pid. */
export interface SeenProcess {
  pid: number;
  parent: number;
  started: string;
  command: string;
}

/** Everything in /proc that is not a zombie. */
export function processes(): SeenProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name)) return [];
    try {
      const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
      // The name in parentheses may hold anything; then come the state, the parent and, as the 20th, the start time.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      if (fields[0] === 'Z') return [];
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
      return [{ pid: Number(name), parent: Number(fields[1]), started: fields[19] ?? '', command }];
    } catch {
      return [];
    }
  });
}

/** The children of a process, their children, and so on. */
export function descendants(pid: number): SeenProcess[] {
  const all = processes();
  const below = (parent: number): SeenProcess[] =>
    all.filter((one) => one.parent === parent).flatMap((one) => [one, ...below(one.pid)]);
  return below(pid);
}

/** Those of them that still run. */
export function stillRunning(seen: readonly SeenProcess[]): SeenProcess[] {
  const now = processes();
  return seen.filter((one) => now.some((other) => other.pid === one.pid && other.started === one.started));
}

/**
 * The mount namespaces of these that are not this process's own. What is mounted in one stands there for as long as any
 * process is in it.
 */
export function mountNamespaces(seen: readonly SeenProcess[]): Set<string> {
  const all = new Set(seen.flatMap(({ pid }) => mountNamespaceOf(pid) ?? []));
  all.delete(mountNamespaceOf(process.pid) ?? '');
  return all;
}

/** Whoever is in one of these namespaces, also one that nobody saw begin. */
export function inMountsOf(namespaces: ReadonlySet<string>): SeenProcess[] {
  return processes().filter(({ pid }) => namespaces.has(mountNamespaceOf(pid) ?? ''));
}

/** Who has a mount below this path. */
export function withMountsAt(path: string): SeenProcess[] {
  return processes().filter(({ pid }) => read(() => readFileSync(`/proc/${pid}/mountinfo`, 'utf8'))?.includes(path));
}

function mountNamespaceOf(pid: number): string | null {
  return read(() => readlinkSync(`/proc/${pid}/ns/mnt`));
}

/** Null when that process has ended, or is somebody else's. */
function read(look: () => string): string | null {
  try {
    return look();
  } catch {
    return null;
  }
}
