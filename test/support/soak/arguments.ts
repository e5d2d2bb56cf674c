import { parseArgs } from 'node:util';

/** What `npm run soak -- …` was asked for. */
export interface SoakArguments {
  seed: number;
  kills: number;
  sessions: number;
  json: boolean;
}

/** The arguments make no sense; the message says what would. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `npm run soak -- [--kills <n>] [--sessions <n>] [--seed <n>] [--json]

  --kills     how many processes are killed or stopped; 200 by default
  --sessions  in how many sessions people write meanwhile; 100 by default
  --seed      repeats the plan of an earlier run; a new one by default
  --json      print one object instead of the table`;

/** Null: only help was asked for. @throws UsageError */
export function parseSoakArguments(args: readonly string[]): SoakArguments | null {
  const { values } = parsed(args);
  if (values.help) return null;
  return {
    seed: wholeIn('--seed', values.seed ?? String(Math.floor(Math.random() * 2 ** 32)), 0, 2 ** 32 - 1),
    kills: wholeIn('--kills', values.kills ?? '200', 1, 10_000),
    sessions: wholeIn('--sessions', values.sessions ?? '100', 1, 10_000),
    json: values.json === true,
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        seed: { type: 'string' },
        kills: { type: 'string' },
        sessions: { type: 'string' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  }
}

function wholeIn(option: string, value: string, least: number, most: number): number {
  const number = value.trim() === '' ? Number.NaN : Number(value);
  if (Number.isInteger(number) && number >= least && number <= most) return number;
  throw new UsageError(`${option} must be a whole number from ${least} to ${most}, not "${value}".\n\n${USAGE}`);
}
