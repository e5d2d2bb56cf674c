import type { WorkspaceLimits } from '../src/tools/workspace.ts';

const MiB = 1024 * 1024;

/** Enough for a build of a small project; an environment may ask for other numbers. */
export const DEFAULT_LIMITS: WorkspaceLimits = {
  processes: 256,
  memory_bytes: 1024 * MiB,
  cpus: 1,
  file_bytes: 1024 * MiB,
  disk_bytes: 4096 * MiB,
  output_bytes: 16 * MiB,
  timeout_ms: 120_000,
};

/** For the short-lived helpers that read, write and search files; a bomb in the session cannot starve them. */
export const HELPER_LIMITS: Pick<WorkspaceLimits, 'processes' | 'memory_bytes' | 'cpus'> = {
  processes: 32,
  memory_bytes: 512 * MiB,
  cpus: 1,
};

/** A command may ask for more time than the default, but never for more than this. */
const LONGEST_TIMEOUT_MS = 600_000;

/** Later sources win; a field that is absent or not a positive number keeps its default. */
export function resolveLimits(...sources: Array<Partial<WorkspaceLimits> | undefined>): WorkspaceLimits {
  const limits = { ...DEFAULT_LIMITS };
  for (const source of sources) {
    for (const key of Object.keys(limits) as Array<keyof WorkspaceLimits>) {
      const value = source?.[key];
      if (value !== undefined && Number.isFinite(value) && value > 0) limits[key] = value;
    }
  }
  return limits;
}

/** The time a command gets: what it asked for, within the limit. */
export function commandTimeout(limits: WorkspaceLimits, requested: number | undefined): number {
  const wanted = requested !== undefined && requested > 0 ? requested : limits.timeout_ms;
  return Math.min(wanted, Math.max(LONGEST_TIMEOUT_MS, limits.timeout_ms));
}
