import { expect, it } from 'vitest';
import { createInFlight } from '../../../connectors/slack/in-flight.ts';
import { deferred } from '../../support/deferred.ts';
import { createSlackClock } from '../../support/slack/clock.ts';

/** More than any machine takes for a test: only the test's clock lets it pass. */
const PATIENCE_MS = 4_000_000;

function begun() {
  const clock = createSlackClock();
  const inFlight = createInFlight({
    now: clock.now,
    wait: (ms, signal) =>
      new Promise<void>((resolve) => {
        const cancel = clock.after(ms, resolve);
        const end = () => {
          cancel();
          resolve();
        };
        signal.addEventListener('abort', end);
      }),
  });
  inFlight.open();
  const unexpected = (error: unknown) => expect.unreachable(String(error));
  return { clock, inFlight, follow: (work: Promise<unknown>) => inFlight.follow(work, unexpected) };
}

const never = () => new Promise<never>(() => undefined);

it('gives what was kept its time, although something else is never acknowledged', async () => {
  const { clock, inFlight, follow } = begun();
  const kept = deferred<void>();
  const hungUp = deferred<void>();
  void inFlight.run(never);
  follow(kept.promise);
  const left = inFlight.leave(PATIENCE_MS, async () => hungUp.resolve());
  await clock.advance(PATIENCE_MS / 2);
  await hungUp.promise;
  kept.resolve();
  await kept.promise;
  await clock.advance(PATIENCE_MS / 2);
  // What nobody acknowledged.
  expect(await left).toBe(1);
});

it('gives what was kept its time, although the line does not close', async () => {
  const { clock, inFlight, follow } = begun();
  const kept = deferred<void>();
  const hangingUp = deferred<void>();
  follow(kept.promise);
  const left = inFlight.leave(PATIENCE_MS, () => {
    hangingUp.resolve();
    return never();
  });
  await hangingUp.promise;
  await clock.advance(PATIENCE_MS / 2);
  kept.resolve();
  expect(await left).toBe(0);
});

it('takes no longer than its patience, whatever hangs', async () => {
  const { clock, inFlight, follow } = begun();
  const hangingUp = deferred<void>();
  void inFlight.run(never);
  follow(never());
  const left = inFlight.leave(PATIENCE_MS, () => {
    hangingUp.resolve();
    return never();
  });
  await clock.advance(PATIENCE_MS / 2);
  await hangingUp.promise;
  await clock.advance(PATIENCE_MS / 4);
  await clock.advance(PATIENCE_MS / 4);
  expect(await left).toBe(2);
});

it('waits for nothing where nothing is under way', async () => {
  const { inFlight } = begun();
  expect(await inFlight.leave(PATIENCE_MS, async () => undefined)).toBe(0);
  await expect(inFlight.run(async () => 'more')).rejects.toThrow('stopping');
});
