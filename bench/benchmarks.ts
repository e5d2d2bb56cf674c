import type { Benchmark } from './benchmark.ts';
import { bash } from './rows/bash.ts';
import { chatHttp, chatSocket } from './rows/chat.ts';
import { growthSessions, growthWorkers } from './rows/growth.ts';
import { longSession } from './rows/long-session.ts';
import { memory } from './rows/memory.ts';
import { recovery } from './rows/recovery.ts';
import { streaming } from './rows/streaming.ts';
import { turn } from './rows/turn.ts';

/** Everything that is measured, in the order of the table. */
export const BENCHMARKS: readonly Benchmark[] = [
  chatHttp,
  chatSocket,
  turn,
  bash,
  streaming,
  longSession,
  recovery,
  growthWorkers,
  growthSessions,
  memory,
];

/** What `--only` may name: each benchmark, and each of its rows. */
export function namesOf(benchmarks: readonly Benchmark[]): string[] {
  return benchmarks.flatMap(({ name, rows }) => [name, ...Object.keys(rows).map((row) => `${name}.${row}`)]);
}

/** The benchmarks that these names need, and whether a row (by its full name) is wanted. No names: all. */
export function select(
  benchmarks: readonly Benchmark[],
  only: readonly string[],
): { benchmarks: Benchmark[]; wants(row: string): boolean } {
  const wants = (row: string) => only.length === 0 || only.some((name) => row === name || row.startsWith(`${name}.`));
  const needed = benchmarks.filter(({ name, rows }) => Object.keys(rows).some((row) => wants(`${name}.${row}`)));
  return { benchmarks: needed, wants };
}
