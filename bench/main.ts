import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArguments, USAGE, UsageError } from './arguments.ts';
import type { Benchmark, Findings } from './benchmark.ts';
import { BENCHMARKS, namesOf, select } from './benchmarks.ts';
import { type Judged, judge } from './row.ts';
import { openStage, type Stage } from './stage.ts';
import { table } from './table.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

async function main(): Promise<void> {
  const args = parseArguments(process.argv.slice(2), namesOf(BENCHMARKS));
  if (args.help) {
    console.log(`${USAGE}\n\nNames:\n  ${namesOf(BENCHMARKS).join('\n  ')}`);
    return;
  }
  const { benchmarks, wants } = select(BENCHMARKS, args.only);
  build();
  const judged: Judged[] = [];
  const notes: string[] = [];
  await using stage = await openStage();
  const stopping = stopSignal(() => giveUp(stage));
  for (const benchmark of benchmarks) {
    const found = await measure(stage, benchmark, args.rounds, args.profile);
    // It ended because its processes did; `giveUp` ends this one.
    if (stopping.aborted) return new Promise(() => undefined);
    judged.push(...found.judged.filter(({ row }) => wants(row.name)));
    notes.push(...found.notes);
  }
  console.log(args.json ? JSON.stringify(judged.map(({ row }) => row)) : [table(judged), ...notes].join('\n\n'));
  if (args.json) console.error([...wrongs(judged), ...notes].join('\n\n'));
  if (args.strict && judged.some(({ row }) => !row.ok)) process.exitCode = 1;
}

/** What the array of rows has no room for: why one is not ok, unless its target says so. */
function wrongs(judged: Judged[]): string[] {
  return judged.flatMap(({ row, errors }) => errors.map((error) => `${row.name} went wrong: ${error}`));
}

function stopSignal(stop: () => Promise<never>): AbortSignal {
  const stopping = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      stopping.abort();
      void stop();
    });
  }
  return stopping.signal;
}

/** Leave no process, database or file behind. */
async function giveUp(stage: Stage): Promise<never> {
  console.error('Stopping…');
  try {
    await stage[Symbol.asyncDispose]();
  } catch (error) {
    console.error(error);
  }
  process.exit(130);
}

async function measure(stage: Stage, benchmark: Benchmark, rounds: number | null, profile: boolean) {
  const started = performance.now();
  const say = (text: string) => console.error(`${benchmark.name}: ${text}`);
  say(benchmark.about);
  let broken = 'was not measured';
  const { rows, notes = [] } = await benchmark
    .run(stage, {
      rounds: rounds ?? benchmark.rounds,
      profile_dir: profile ? fileURLToPath(new URL('../dist/profile', import.meta.url)) : null,
      say,
    })
    .catch((error: unknown): Findings => {
      // The other benchmarks' results are not lost for it.
      broken = error instanceof Error ? (error.stack ?? error.message) : String(error);
      say(`broke off: ${broken}`);
      return { rows: {} };
    });
  say(`done after ${((performance.now() - started) / 1000).toFixed(0)} s`);
  const judged = Object.entries(benchmark.rows).map(([name, spec]) =>
    judge(`${benchmark.name}.${name}`, spec, rows[name] ?? { rounds: [], n: 0, errors: [broken] }),
  );
  return { judged, notes };
}

/** The measured processes are the built program, as in production. */
function build(): void {
  const tsc = fileURLToPath(new URL('../node_modules/typescript/bin/tsc', import.meta.url));
  const built = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (built.status !== 0) throw new UsageError('The program does not compile; the reasons are above.');
}

try {
  await main();
} catch (error) {
  console.error(error instanceof UsageError ? error.message : error);
  process.exitCode = 1;
}
