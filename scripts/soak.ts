import { parseSoakArguments, type SoakArguments, USAGE, UsageError } from '../test/support/soak/arguments.ts';
import { check } from '../test/support/soak/checker.ts';
import { compile } from '../test/support/soak/compiled.ts';
import { planOf } from '../test/support/soak/plan.ts';
import { keepEvidence, reportOf } from '../test/support/soak/report.ts';
import { runSoak } from '../test/support/soak/run.ts';

/** `npm run soak`: the long form of the randomised test; docs/reliability.md says what it does. */
async function soak({ seed, kills, sessions, json }: SoakArguments): Promise<void> {
  const size = { sessions, kills };
  const plan = planOf(seed, size);
  say(`Seed ${seed}. Again: npm run soak -- --seed ${seed} --kills ${kills} --sessions ${sessions}`);
  await using compiled = await compile();
  const result = await runSoak(plan, compiled.main, say);
  const violations = check(result.evidence);
  if (json) {
    const { faults, seconds } = result;
    console.log(JSON.stringify({ seed, ...size, kills: result.kills, seconds, faults, violations }));
  } else console.log(reportOf(plan, result, violations));
  if (violations.length > 0) {
    say(`The evidence is in ${await keepEvidence(plan, result.evidence)}.`);
    process.exitCode = 1;
  }
}

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

try {
  const asked = parseSoakArguments(process.argv.slice(2));
  if (asked === null) console.log(USAGE);
  else await soak(asked);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  say(error.message);
  process.exitCode = 2;
}
