import { parseArgs } from 'node:util';
import { check } from '../test/support/soak/checker.ts';
import { compile } from '../test/support/soak/compiled.ts';
import { planOf } from '../test/support/soak/plan.ts';
import { keepEvidence, reportOf } from '../test/support/soak/report.ts';
import { runSoak } from '../test/support/soak/run.ts';

/** `npm run soak`: the long form; `--seed` replays a plan, `--json` prints one object instead of the table. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 32)) },
    kills: { type: 'string', default: '200' },
    sessions: { type: 'string', default: '100' },
    json: { type: 'boolean', default: false },
  },
});
const size = { sessions: Number(values.sessions), kills: Number(values.kills) };
const plan = planOf(Number(values.seed), size);
const say = (line: string) => void process.stderr.write(`${line}\n`);

say(`Seed ${plan.seed}. Again: npm run soak -- --seed ${plan.seed} --kills ${size.kills} --sessions ${size.sessions}`);
await using compiled = await compile();
const result = await runSoak(plan, compiled.main, say);
const violations = check(result.evidence);
if (values.json) {
  const { faults, kills, seconds } = result;
  console.log(JSON.stringify({ seed: plan.seed, ...size, kills, seconds, faults, violations }));
} else console.log(reportOf(plan, result, violations));
if (violations.length > 0) {
  say(`The evidence is in ${await keepEvidence(plan, result.evidence)}.`);
  process.exitCode = 1;
}
