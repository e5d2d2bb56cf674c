import { expect, test } from 'vitest';
import { cpuShares } from '../../../bench/processes/usage.ts';

test('shares are said of each process that is known, and of all together', async () => {
  const shares = cpuShares({ me: process.pid, again: process.pid, elsewhere: null });
  const results = [await shares.during(async () => work()), await shares.during(async () => work())];
  expect(results).toEqual([WORK_MS, WORK_MS]);
  const said = /^of one core: me (\d+) %, again \d+ %; together (\d+) % of \d+ %$/.exec(shares.inWords());
  expect(Number(said?.[1])).toBeGreaterThan(0);
  expect(Number(said?.[2])).toBeGreaterThan(Number(said?.[1]));
});

/** Of processor time, not of the clock: however busy the machine is, it shows. */
const WORK_MS = 100;

function work(): number {
  const began = process.cpuUsage();
  for (let used = 0; used < WORK_MS * 1000; ) {
    const { user, system } = process.cpuUsage(began);
    used = user + system;
  }
  return WORK_MS;
}
