import type { Measurement, RowSpec } from './row.ts';
import type { Stage } from './stage.ts';

/** Something that is measured in one go, and the rows that come of it. */
export interface Benchmark {
  name: string;
  /** What it does, in one line. */
  about: string;
  /** How often it repeats its measurement unless told otherwise. */
  rounds: number;
  /** By name; the full name of a row is `<benchmark>.<row>`. */
  rows: Record<string, RowSpec>;
  run(stage: Stage, run: Run): Promise<Findings>;
}

export interface Run {
  rounds: number;
  /** Where CPU profiles go; null: none is made. */
  profile_dir: string | null;
  /** Tell the person who waits what is going on. */
  say(text: string): void;
}

export interface Findings {
  /** One for each row, by its short name. */
  rows: Record<string, Measurement>;
  /** What a person may want to know beside the table. */
  notes?: string[];
}
