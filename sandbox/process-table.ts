import { existsSync, readFileSync } from 'node:fs';

/** A process for certain: its number alone may be used again. `start` is field 22 of /proc/<pid>/stat, in ticks since boot. */
export interface ProcessIdentity {
  pid: number;
  start: string;
}

/** When this process started, or null when there is none. */
export function processStart(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The second field is the program's name in parentheses, and may itself hold spaces and parentheses.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A zombie has ended; only its parent has not looked yet.
    return fields[0] === 'Z' ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

export function isRunning(identity: ProcessIdentity): boolean {
  return processStart(identity.pid) === identity.start;
}

/** Whether `childrenOf` can tell: a kernel may be built without it (CONFIG_PROC_CHILDREN). */
export const LISTS_CHILDREN = existsSync('/proc/thread-self/children');

/** Direct children, oldest first. Empty when there are none or the kernel does not list them. */
export function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** SIGKILL, unless it is gone already or not ours to kill. */
export function killProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error;
  }
}
