import { expect, it } from 'vitest';
import { createInFlight } from '../../../connectors/slack/in-flight.ts';
import type { FoundInstallation, NextTokens } from '../../../connectors/slack/installation-store.ts';
import { CLAIM_MS, createRenewal } from '../../../connectors/slack/renewal.ts';
import { silentLogger } from '../../../src/logger.ts';
import { deferred } from '../../support/deferred.ts';
import { STOP_MS } from '../../support/stop.ts';

const TENANT = 'T1';
const OLD: FoundInstallation = {
  team_id: TENANT,
  enterprise_id: null,
  bot: { id: 'B1', user_id: 'U1' },
  token: 'old',
  refresh_token: 'refresh',
  expires_at: 10_000,
  url: '',
  version: '1',
};
const NEXT: NextTokens = { token: 'new', refresh_token: 'next', expires_at: 50_000 };

/** A gateway with so much time left to the old token, whose Slack answers when the test says so. */
function gateway({ left_s = 3_600, pause_ms = 0, fails = 0 }) {
  const [asked, slack, stored] = [deferred<void>(), deferred<NextTokens>(), deferred<void>()];
  const inFlight = createInFlight();
  inFlight.open();
  let now = (10_000 - left_s) * 1_000;
  let current: FoundInstallation = OLD;
  let claims = 0;
  let writes = 0;
  const refreshed: string[] = [];
  const renewed = createRenewal({
    store: {
      find: async () => current,
      async claimRenewal() {
        claims += 1;
        now += pause_ms;
        return claims === 1 ? 'claim' : null;
      },
      async renewed(_tenant, _claim, next) {
        writes += 1;
        if (writes <= fails) throw new Error('there is no primary');
        current = { ...OLD, ...next };
        stored.resolve();
        return true;
      },
      endClaim: async () => undefined,
    },
    refresh(token) {
      refreshed.push(token);
      asked.resolve();
      return slack.promise;
    },
    now: () => now,
    run: inFlight.run,
    logger: silentLogger,
  });
  return {
    inFlight,
    asked: asked.promise,
    stored: stored.promise,
    refreshed,
    answer: () => slack.resolve(NEXT),
    async token(isRefused = false) {
      const found = await renewed(TENANT, current, isRefused);
      return found?.token;
    },
    get claims() {
      return claims;
    },
  };
}

it('goes on with the token that there is while Slack is asked for the next one, once', async () => {
  const here = gateway({});
  expect(await here.token()).toBe('old');
  await here.asked;
  expect(await here.token()).toBe('old');
  expect(here.claims).toBe(1);
  here.answer();
  await here.stored;
  expect(await here.token()).toBe('new');
  expect(here.refreshed).toEqual(['refresh']);
});

it.each([
  ['has ended', { left_s: 0 }, false],
  ['has too little time left for a call', { left_s: 34 }, false],
  ['is refused by Slack', { left_s: 3_600 }, true],
])('waits where the token %s', async (_why, at, isRefused) => {
  const here = gateway(at);
  const order: string[] = [];
  const waiting = [here.token(isRefused), here.token(isRefused)].map((token) =>
    token.finally(() => order.push('used')),
  );
  void here.stored.then(() => order.push('stored'));
  await here.asked;
  here.answer();
  expect(await Promise.all(waiting)).toEqual(['new', 'new']);
  expect(order).toEqual(['stored', 'used', 'used']);
  expect(here.refreshed).toEqual(['refresh']);
});

it('finishes what it began when it stops, and begins no more', async () => {
  const here = gateway({});
  await here.token();
  await here.asked;
  expect(await here.inFlight.drain(0)).toBe(1);
  const stopped = here.inFlight.drain(STOP_MS);
  here.answer();
  expect(await stopped).toBe(0);
  expect(await here.token()).toBe('new');

  const late = gateway({});
  await late.inFlight.drain(STOP_MS);
  expect(await late.token()).toBe('old');
  expect(late.claims).toBe(0);
});

it('a gateway that stood still until its claim ran out does not use the refresh token', async () => {
  const prompt = gateway({});
  await prompt.token();
  await prompt.asked;
  prompt.answer();
  expect(prompt.refreshed).toEqual(['refresh']);
  const late = gateway({ pause_ms: CLAIM_MS });
  await late.token();
  expect(await late.inFlight.drain(STOP_MS)).toBe(0);
  expect(late.refreshed).toEqual([]);
});

it('keeps what Slack gave although the database takes it only later', async () => {
  const here = gateway({ fails: 1 });
  await here.token();
  here.answer();
  await here.stored;
  expect(await here.token()).toBe('new');
  expect(here.refreshed).toEqual(['refresh']);
});
