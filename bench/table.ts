import type { Judged, Spread } from './row.ts';

const COLUMNS = [
  'name',
  'value',
  'unit',
  'spread',
  'p99',
  'floor',
  'its spread',
  'ratio',
  'target',
  'n',
  'ok',
] as const;

/** The result for people: one line per row, then what went wrong. */
export function table(judged: readonly Judged[]): string {
  const lines = [COLUMNS, ...judged.map(cells)];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const text = lines.map((line) =>
    line
      .map((cell, column) =>
        column === 0 || column === 2 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  );
  return [...text, ...problems(judged)].join('\n');
}

function cells({ row, spread, floor_spread }: Judged): string[] {
  const target = row.target === null ? '' : `${row.better === 'lower' ? '<=' : '>='} ${row.target}`;
  return [
    row.name,
    row.value === null ? '' : String(row.value),
    row.unit,
    row.value === null ? '' : inWords(spread),
    row.p99 === null ? '' : String(row.p99),
    row.floor === null ? '' : String(row.floor),
    floor_spread === null ? '' : inWords(floor_spread),
    row.ratio === null ? '' : `${row.ratio} x`,
    target,
    String(row.n),
    row.ok ? 'ok' : 'NOT OK',
  ];
}

function inWords({ min, max }: Spread): string {
  return `${min}..${max}`;
}

/** The first few errors and how many there were; rows of one measurement share theirs. */
function problems(judged: readonly Judged[]): string[] {
  const rows = new Map<string, { names: string[]; errors: string[] }>();
  for (const { row, errors } of judged) {
    if (errors.length === 0) continue;
    const key = errors.join('\n');
    rows.set(key, { names: [...(rows.get(key)?.names ?? []), row.name], errors });
  }
  return [...rows.values()].flatMap(({ names, errors }) => [
    '',
    `${names.join(', ')}: ${errors.length} errors, such as`,
    ...[...new Set(errors)].slice(0, 5).map((error) => `  ${error}`),
  ]);
}
