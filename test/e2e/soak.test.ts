import { afterAll, beforeAll, expect, test } from 'vitest';
import { check } from '../support/soak/checker.ts';
import { type Compiled, compile } from '../support/soak/compiled.ts';
import { kindsOf } from '../support/soak/faults.ts';
import { planOf } from '../support/soak/plan.ts';
import { keepEvidence } from '../support/soak/report.ts';
import { runSoak } from '../support/soak/run.ts';

/** However busy the machine is: what hangs is noticed inside (STUCK_MS in run.ts). */
const DEADLINE_MS = 20 * 60_000;

/** The same plans each time; `npm run soak` draws another one each time. */
const RUNS = [
  // Everything that befalls a model request befalls one of the first 25.
  { mode: 'socket', seed: 480, sessions: 10, kills: 10, claude: ['429', '500', '529', 'cut', 'slow'] },
  { mode: 'http', seed: 1492, sessions: 4, kills: 3, claude: [] },
] as const;

let product: Compiled;

beforeAll(async () => {
  product = await compile();
}, DEADLINE_MS);

afterAll(() => product[Symbol.asyncDispose]());

test.for(RUNS)(
  'a short soak ($mode): whatever is killed, lost or doubled, the invariants hold',
  { timeout: DEADLINE_MS },
  async ({ mode, seed, claude, ...size }) => {
    const plan = planOf(seed, size);
    expect(plan.mode).toBe(mode);
    const { evidence, faults, kills } = await runSoak(plan, product.main, () => undefined);
    const violations = check(evidence);
    if (violations.length > 0) await keepEvidence(plan, evidence);
    const again = `npm run soak -- --seed ${seed} --kills ${size.kills} --sessions ${size.sessions}`;
    expect(violations, again).toEqual([]);
    expect(kills).toBe(size.kills);
    const kinds = [...kindsOf(plan), ...claude.map((fault) => `Claude: ${fault}`)];
    expect(
      kinds.filter((kind) => faults[kind] === undefined),
      `planned and never met: ${again}`,
    ).toEqual([]);
  },
);
