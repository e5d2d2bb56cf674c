/** What `npm run bench -- …` was asked for. */
export interface Arguments {
  /** Names of benchmarks or of single rows; empty: all. */
  only: string[];
  json: boolean;
  /** A missed target or an error ends the program with code 1. */
  strict: boolean;
  /** Write V8 CPU profiles of gateway and worker and print where their time went. */
  profile: boolean;
  /** Overrides how often each benchmark repeats its measurement. */
  rounds: number | null;
  help: boolean;
}

/** The arguments make no sense; the message says what would. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

export const USAGE = `npm run bench -- [--only <name>[,<name>…]] [--rounds <n>] [--json] [--strict] [--profile]

  --only     these benchmarks or rows; may be repeated
  --rounds   how often each measurement is repeated (the median counts); each benchmark has a default
  --json     print one array of rows and nothing else (progress goes to stderr)
  --strict   end with code 1 when a row is not ok; without it a missed target only shows
  --profile  write V8 CPU profiles of gateway and worker to dist/profile/ and print their own time by file and package`;

/** @param names what --only may name @throws UsageError */
export function parseArguments(args: readonly string[], names: readonly string[]): Arguments {
  const parsed: Arguments = { only: [], json: false, strict: false, profile: false, rounds: null, help: false };
  const rest = args.flatMap((arg) => (/^--\w+=/.test(arg) ? split(arg) : [arg]));
  for (let arg = rest.shift(); arg !== undefined; arg = rest.shift()) {
    switch (arg) {
      case '--only':
        parsed.only.push(...namesIn(valueOf(arg, rest), names));
        break;
      case '--rounds':
        parsed.rounds = roundsIn(valueOf(arg, rest));
        break;
      case '--json':
      case '--strict':
      case '--profile':
      case '--help':
        parsed[arg.slice(2) as 'json' | 'strict' | 'profile' | 'help'] = true;
        break;
      default:
        throw new UsageError(`There is no option "${arg}".\n\n${USAGE}`);
    }
  }
  return parsed;
}

function split(arg: string): string[] {
  const at = arg.indexOf('=');
  return [arg.slice(0, at), arg.slice(at + 1)];
}

function valueOf(option: string, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined || value.startsWith('--')) throw new UsageError(`${option} needs a value.\n\n${USAGE}`);
  return value;
}

function namesIn(value: string, names: readonly string[]): string[] {
  const wanted = value.split(',').map((name) => name.trim());
  for (const name of wanted) {
    if (!names.includes(name)) {
      throw new UsageError(`There is no benchmark "${name}". The names are:\n  ${names.join('\n  ')}`);
    }
  }
  return wanted;
}

function roundsIn(value: string): number {
  const rounds = Number(value);
  if (!Number.isInteger(rounds) || rounds < 1 || rounds > 100) {
    throw new UsageError(`--rounds must be a whole number from 1 to 100, not "${value}".`);
  }
  return rounds;
}
