import type { Logger as BoltLogger } from '@slack/bolt';
import { InstallProvider } from '@slack/oauth';
import type { Router } from 'express';
import type { Db } from 'mongodb';
import { PostRefusedError } from '../../src/chat/connector.ts';
import type { Logger } from '../../src/logger.ts';
import type { Seal } from '../../src/seal.ts';
import { isWithoutLeave, platformErrorOf, type SlackClient } from './client.ts';
import type { InFlight } from './in-flight.ts';
import { createInstallRoutes } from './install-routes.ts';
import { createInstallStates, STATE_SECONDS } from './install-states.ts';
import { createInstallationStore, type HouseWorkspaces, type NextTokens } from './installation-store.ts';
import type { Installations } from './installations.ts';
import { createManyInstallations } from './many-installations.ts';
import { createRenewal } from './renewal.ts';
import { BOT_SCOPES } from './scopes.ts';

export interface OAuthOptions {
  client_id: string;
  client_secret: string;
  /** Ids of the workspaces and organisations that may install it; null: any. */
  teams: readonly string[] | null;
  db: Db;
  /** For the tokens in the database. */
  seal: Seal;
  workspaces: HouseWorkspaces;
}

export interface OAuthParts {
  api_url: string | null;
  boltLogger: BoltLogger;
  logger: Logger;
  /** Undefined: for a call that takes no token. */
  clientOf: (token: string | undefined) => SlackClient;
  now: () => number;
  inFlight: Pick<InFlight, 'run'>;
}

const CALL_MS = 15_000;

/** Many workspaces install the app by OAuth, and each is called with its own token. */
export function createOAuth(
  { client_id, client_secret, teams, db, seal, workspaces }: OAuthOptions,
  { api_url, boltLogger, logger, clientOf, now, inFlight }: OAuthParts,
): { installations: Installations; installRouter: Router } {
  const states = createInstallStates(db);
  const store = createInstallationStore({
    db,
    seal,
    workspaces,
    async urlOf(token) {
      const { url } = await clientOf(token).call((web) => web.auth.test(), AbortSignal.timeout(CALL_MS));
      return url ?? 'https://slack.com/';
    },
    async isSlackAdmin(token, id) {
      try {
        const signal = AbortSignal.timeout(CALL_MS);
        const { user } = await clientOf(token).call((web) => web.users.info({ user: id }), signal);
        return user?.is_admin === true || user?.is_owner === true;
      } catch (error) {
        // Of whom Slack says nothing, nothing is known.
        if (!(error instanceof PostRefusedError) && !isWithoutLeave(platformErrorOf(error))) throw error;
        return false;
      }
    },
  });
  const installer = new InstallProvider({
    clientId: client_id,
    clientSecret: client_secret,
    installationStore: {
      storeInstallation: (installation) => store.storeInstallation(installation),
      fetchInstallation: () => Promise.reject(new Error('Tokens are found and renewed in renewal.ts')),
    },
    stateStore: states,
    stateCookieExpirationSeconds: STATE_SECONDS,
    directInstall: true,
    installUrlOptions: { scopes: [...BOT_SCOPES] },
    // Each of its errors comes to install-routes.ts too, which knows those that are ours: the address is open to everybody.
    logger: { ...boltLogger, error: () => undefined },
    ...(api_url !== null && { authorizationUrl: new URL('/oauth/v2/authorize', api_url).href }),
    clientOptions: {
      ...(api_url !== null && { slackApiUrl: api_url }),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      timeout: CALL_MS,
    },
  });
  const allowed = teams === null ? null : new Set(teams);

  async function refresh(refresh_token: string, signal: AbortSignal): Promise<NextTokens> {
    const next = await clientOf(undefined).call(
      (web) => web.oauth.v2.access({ client_id, client_secret, grant_type: 'refresh_token', refresh_token }),
      signal,
    );
    if (!next.access_token || !next.refresh_token || !next.expires_in) throw new Error('Slack gave no next tokens');
    const expires_at = Math.floor(now() / 1_000) + next.expires_in;
    return { token: next.access_token, refresh_token: next.refresh_token, expires_at };
  }

  const renewed = createRenewal({ store, refresh, now, run: inFlight.run, logger });
  const many = createManyInstallations({ store, workspaces, renewed, clientOf, teams: allowed, now, logger });
  return {
    installations: {
      ...many,
      async start() {
        await Promise.all([store.createIndexes(), states.createIndexes()]);
        const tenants = await store.sealAnew();
        if (tenants.length === 0) return;
        const remedy = 'Put the earlier key behind the new one in DECKHAND_VAULT_KEY, or install the app there again.';
        logger.warn({ tenants, remedy }, 'slack tokens were sealed with a key that is not configured');
      },
    },
    installRouter: createInstallRoutes({
      installer,
      teams: allowed,
      revoke: (token) => clientOf(token).call((web) => web.auth.revoke(), AbortSignal.timeout(CALL_MS)),
      installed: (tenant) => many.forget(tenant),
      logger,
    }),
  };
}
