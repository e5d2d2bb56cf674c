import type { Benchmark } from './benchmark.ts';
import { turn } from './rows/turn.ts';

/** Everything that is measured, in the order of the table. */
export const BENCHMARKS: readonly Benchmark[] = [turn];

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
