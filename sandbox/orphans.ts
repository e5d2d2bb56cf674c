import { existsSync } from 'node:fs';
import { type CgroupTree, listCgroups, removeCgroup } from './cgroup.ts';
import { isRunning, processStart } from './process-table.ts';

/** Names for control groups that tell who made them: this process, for certain, and a counter. */
export function groupNames(): () => string {
  const owner = `deckhand-${process.pid}-${processStart(process.pid) ?? '0'}`;
  return () => `${owner}-${++counter}`;
}

/** The beginning of the name of a provider's own folder: whose it is, in the same way. */
export function runPrefix(): string {
  return `.run-${process.pid}-${processStart(process.pid) ?? '0'}-`;
}

/** Those of these names that are folders of providers whose process is gone. */
export function orphanRuns(names: readonly string[]): string[] {
  return names.filter((name) => {
    const [, pid, start] = /^\.run-(\d+)-(\d+)-/.exec(name) ?? [];
    return pid !== undefined && start !== undefined && !isRunning({ pid: Number(pid), start });
  });
}

/** Shared by all providers of a process, so that no two of them use one name. */
let counter = 0;

/**
 * End and remove the control groups of workers that are gone. The processes in them were to end with their worker
 * (`--die-with-parent`); what did not is ended here.
 */
export async function reapGroups(tree: CgroupTree): Promise<number> {
  if (!existsSync('/proc/self/stat')) return 0;
  const orphans = listCgroups(tree).filter((name) => {
    const [, pid, start] = /^deckhand-(\d+)-(\d+)-\d+$/.exec(name) ?? [];
    return pid !== undefined && start !== undefined && !isRunning({ pid: Number(pid), start });
  });
  await Promise.all(orphans.map((name) => removeCgroup(tree, name)));
  return orphans.length;
}
