import { readFileSync } from 'node:fs';

/** A row of the kill matrix in docs/reliability.md. */
export interface MatrixRow {
  step: string;
  /** The settings whose sum bounds the time until its loss is noticed, as `lease + sweep`. */
  noticed_after: string;
}

export function matrixRows(): MatrixRow[] {
  const page = readFileSync('docs/reliability.md', 'utf8');
  const [, table = ''] = /## Kill matrix\n([\s\S]*?)(\n## |$)/.exec(page) ?? [];
  const lines = [...table.matchAll(/^\| ([^|]+) \|.*\| ([^|]+) \|$/gm)];
  return lines.slice(2).map(([, step = '', noticed_after = '']) => ({ step, noticed_after }));
}

/** The sum of these settings, by their names. NaN where one has no such name. */
export function sumOf(noticed_after: string, intervals: Readonly<Record<string, number>>): number {
  return noticed_after
    .split(' + ')
    .map((name) => intervals[name] ?? Number.NaN)
    .reduce((sum, ms) => sum + ms, 0);
}
