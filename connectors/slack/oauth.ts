import type { Logger as BoltLogger } from '@slack/bolt';
import { InstallProvider } from '@slack/oauth';
import type { Router } from 'express';
import type { Db } from 'mongodb';
import type { Logger } from '../../src/logger.ts';
import type { SlackClient } from './client.ts';
import { createInstallRoutes } from './install-routes.ts';
import { createInstallStates, STATE_SECONDS } from './install-states.ts';
import { createInstallationStore, type Seal } from './installation-store.ts';
import type { Installations } from './installations.ts';
import { createManyInstallations } from './many-installations.ts';
import { BOT_SCOPES } from './scopes.ts';

export interface OAuthOptions {
  client_id: string;
  client_secret: string;
  /** Ids of the workspaces and organisations that may install it; null: any. */
  teams: readonly string[] | null;
  db: Db;
  /** For the tokens in the database. */
  seal: Seal;
  workspace_id: string;
}

export interface OAuthParts {
  api_url: string | null;
  boltLogger: BoltLogger;
  logger: Logger;
  clientOf: (token: string) => SlackClient;
}

const CALL_MS = 15_000;

/** Many workspaces install the app by OAuth, and each is called with its own token. */
export function createOAuth(
  { client_id, client_secret, teams, db, seal, workspace_id }: OAuthOptions,
  { api_url, boltLogger, logger, clientOf }: OAuthParts,
): { installations: Installations; installRouter: Router } {
  const states = createInstallStates(db);
  const store = createInstallationStore({
    db,
    seal,
    workspace_id,
    async urlOf(token) {
      const { url } = await clientOf(token).call((web) => web.auth.test(), AbortSignal.timeout(CALL_MS));
      return url ?? 'https://slack.com/';
    },
  });
  const installer = new InstallProvider({
    clientId: client_id,
    clientSecret: client_secret,
    installationStore: store,
    stateStore: states,
    stateCookieExpirationSeconds: STATE_SECONDS,
    directInstall: true,
    installUrlOptions: { scopes: [...BOT_SCOPES] },
    logger: boltLogger,
    ...(api_url !== null && { authorizationUrl: new URL('/oauth/v2/authorize', api_url).href }),
    clientOptions: {
      ...(api_url !== null && { slackApiUrl: api_url }),
      retryConfig: { retries: 0 },
      rejectRateLimitedCalls: true,
      timeout: CALL_MS,
    },
  });
  const allowed = teams === null ? null : new Set(teams);
  const many = createManyInstallations({ store, installer, clientOf, teams: allowed, logger });
  return {
    installations: {
      ...many,
      async start() {
        await Promise.all([store.createIndexes(), states.createIndexes()]);
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
