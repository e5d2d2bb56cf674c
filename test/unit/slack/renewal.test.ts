import { expect, it } from 'vitest';
import type { FoundInstallation } from '../../../connectors/slack/installation-store.ts';
import { CLAIM_MS, createRenewal } from '../../../connectors/slack/renewal.ts';
import { silentLogger } from '../../../src/logger.ts';

const ENDING: FoundInstallation = {
  team_id: 'T1',
  enterprise_id: null,
  bot: { id: 'B1', user_id: 'U1' },
  token: 'old',
  refresh_token: 'refresh',
  expires_at: 1_000,
  url: '',
  version: '1',
};

/** Slack is asked by a gateway that stood still for so long while it made its claim. */
async function asked(pause_ms: number): Promise<string[]> {
  const tokens: string[] = [];
  let now = 0;
  const renewed = createRenewal({
    store: {
      find: async () => ENDING,
      async claimRenewal() {
        now += pause_ms;
        return 'claim';
      },
      renewed: async () => true,
      endClaim: async () => undefined,
    },
    async refresh(token) {
      tokens.push(token);
      return { token: 'new', refresh_token: 'next', expires_at: 50_000 };
    },
    now: () => now,
    logger: silentLogger,
  });
  await renewed('T1', ENDING);
  return tokens;
}

it('a gateway that stood still until its claim ran out does not use the refresh token', async () => {
  expect(await asked(0)).toEqual(['refresh']);
  expect(await asked(CLAIM_MS)).toEqual([]);
});
