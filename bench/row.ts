import { median, percentile, rounded } from './statistics.ts';

/** One line of the result, as `--json` prints it. Absent things are null. */
export interface Row {
  name: string;
  unit: string;
  /** Median over the rounds; null when nothing could be measured. */
  value: number | null;
  /** 99th percentile of the single measurements of all rounds; in ms where the unit is a rate. */
  p99: number | null;
  /** What the machine itself takes for the least that this path needs, in the same unit, measured between the same rounds: their median. */
  floor: number | null;
  /** `value / floor`. */
  ratio: number | null;
  /** What `value` has to keep to (docs/design.md, section 9). */
  target: number | null;
  better: 'lower' | 'higher';
  /** Nothing failed, and the target is met where there is one. */
  ok: boolean;
  /** Single measurements over all rounds. */
  n: number;
}

/** What is known of a row before anything is measured. */
export interface RowSpec {
  unit: string;
  better: Row['better'];
  target: number | null;
}

/** What a benchmark found out for one row. */
export interface Measurement {
  /** One value per round. */
  rounds: number[];
  /** For the p99 column: all single measurements, in ms where the unit is a rate. */
  singles?: number[];
  /** Measured between the rounds, because how fast a machine is changes. */
  floors?: number[];
  n: number;
  /** What went wrong, in words; any error makes the row not ok. */
  errors: string[];
}

/** A row, and what only the table for people shows. */
export interface Judged {
  row: Row;
  spread: Spread;
  floor_spread: Spread | null;
  errors: string[];
}

export interface Spread {
  min: number;
  max: number;
}

export function judge(name: string, spec: RowSpec, found: Measurement): Judged {
  const value = median(found.rounds);
  const { floors = [], singles = [] } = found;
  const floor = floors.length === 0 ? null : median(floors);
  const kept =
    Number.isFinite(value) &&
    (spec.target === null || (spec.better === 'lower' ? value <= spec.target : value >= spec.target));
  return {
    row: {
      name,
      unit: spec.unit,
      value: finite(value),
      p99: finite(percentile(singles, 0.99)),
      floor: floor === null ? null : finite(floor),
      ratio: floor === null ? null : finite(value / floor),
      target: spec.target,
      better: spec.better,
      ok: kept && found.errors.length === 0,
      n: found.n,
    },
    spread: spreadOf(found.rounds),
    floor_spread: floors.length < 2 ? null : spreadOf(floors),
    errors: found.errors,
  };
}

function spreadOf(values: readonly number[]): Spread {
  return { min: rounded(Math.min(...values)), max: rounded(Math.max(...values)) };
}

function finite(value: number): number | null {
  return Number.isFinite(value) ? rounded(value) : null;
}
