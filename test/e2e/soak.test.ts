import { expect, test } from 'vitest';
import { check } from '../support/soak/checker.ts';
import { planOf } from '../support/soak/plan.ts';
import { keepEvidence } from '../support/soak/report.ts';
import { runSoak } from '../support/soak/run.ts';

/** However busy the machine is: what hangs is noticed inside (STUCK_MS in run.ts). */
const DEADLINE_MS = 20 * 60_000;

/** The same plan each time; `npm run soak` draws another one each time. */
const SEED = 52;
const SIZE = { sessions: 16, kills: 16 };

test('a short soak: whatever is killed, lost or doubled, the invariants hold', { timeout: DEADLINE_MS }, async () => {
  const plan = planOf(SEED, SIZE);
  const { evidence, kills } = await runSoak(plan, () => undefined);
  const violations = check(evidence);
  if (violations.length > 0) await keepEvidence(plan, evidence);
  expect(violations, `npm run soak -- --seed ${SEED} --kills ${SIZE.kills} --sessions ${SIZE.sessions}`).toEqual([]);
  expect(kills).toBe(SIZE.kills);
});
