import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** Clock ticks per second of /proc/<pid>/stat; 100 on every Linux that Node runs on (sysconf(_SC_CLK_TCK)). */
const TICKS_PER_S = 100;

/** CPU time of a process so far, user and system, all its threads, in ms. In steps of 10 ms. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in parentheses may hold anything; of the fields after it the 12th and 13th are user and system time.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_S;
}

/** The most memory that a process has had resident so far, in MB (10^6 bytes). */
export function peakResidentMb(pid: number): number {
  return statusMb(pid, 'VmHWM');
}

/** What it has resident now, in MB. */
export function residentMb(pid: number): number {
  return statusMb(pid, 'VmRSS');
}

function statusMb(pid: number, field: 'VmHWM' | 'VmRSS'): number {
  const kb = new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return (Number(kb ?? Number.NaN) * 1024) / 1e6;
}

/** CPU ms of each named process between two looks. */
export function cpuMeter<N extends string>(pids: Record<N, number | null>): () => Partial<Record<N, number>> {
  const read = (): Partial<Record<N, number>> => {
    const now: Partial<Record<N, number>> = {};
    for (const [name, pid] of Object.entries(pids) as [N, number | null][]) if (pid !== null) now[name] = cpuMs(pid);
    return now;
  };
  const before = read();
  return () => {
    const after = read();
    for (const name of Object.keys(after) as N[]) after[name] = (after[name] ?? 0) - (before[name] ?? 0);
    return after;
  };
}

export interface CpuShares {
  /** Add what these processes use meanwhile. */
  during<T>(work: () => Promise<T>): Promise<T>;
  /** Who had the processors then, in words: each process in percent of one core, and all together. */
  inWords(): string;
}

export function cpuShares(pids: Record<string, number | null>): CpuShares {
  const used: Record<string, number> = {};
  let elapsed = 0;
  const share = (ms: number) => `${Math.round((100 * ms) / elapsed)} %`;
  return {
    async during(work) {
      const read = cpuMeter(pids);
      const started = performance.now();
      const result = await work();
      elapsed += performance.now() - started;
      for (const [name, ms = 0] of Object.entries(read())) used[name] = (used[name] ?? 0) + ms;
      return result;
    },
    inWords() {
      const each = Object.entries(used).map(([name, ms]) => `${name} ${share(ms)}`);
      const all = Object.values(used).reduce((sum, ms) => sum + ms, 0);
      return `of one core: ${each.join(', ')}; together ${share(all)} of ${availableParallelism() * 100} %`;
    },
  };
}
