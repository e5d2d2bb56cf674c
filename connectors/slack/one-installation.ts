import type { Db } from 'mongodb';
import type { Logger } from '../../src/logger.ts';
import { addressedTo } from './addressed-to.ts';
import type { SlackClient } from './client.ts';
import { installedWorkspaceOf } from './installation-store.ts';
import { type Installations, NotInstalledError } from './installations.ts';
import type { Identity } from './parse.ts';

const START_MS = 15_000;

/**
 * One workspace (or organisation) by its token: who that is, Slack says. What Slack sends is for it.
 * @param db in which it may have installed the app by itself before: then it stays in the workspace that it had
 */
export function createOneInstallation(client: SlackClient, db: Db | null, logger: Logger): Installations {
  let identity: Identity | null = null;
  let workspace_id: string | null = null;

  function standing(): Identity {
    if (identity === null) throw new Error('The Slack connector is not started');
    return identity;
  }

  return {
    async start() {
      const me = await whoAmI(client);
      workspace_id = db === null ? null : await installedWorkspaceOf(db, me.tenant);
      identity = me;
    },
    of(tenant) {
      if (identity === null || identity.tenant === tenant) return client;
      return { call: () => Promise.reject(new NotInstalledError(tenant)) };
    },
    async identityOf(body) {
      const me = standing();
      const { team_id } = addressedTo(body);
      // An organisation's token is for many workspaces.
      return me.tenant === me.enterprise_id && team_id !== null ? { ...me, team_id } : me;
    },
    async identityIn(tenant) {
      if (standing().tenant !== tenant) throw new NotInstalledError(tenant);
      return standing();
    },
    workspaceOf: async (tenant) => (identity?.tenant === tenant ? workspace_id : null),
    urlOf: (tenant) => (identity?.tenant === tenant ? identity.url : null),
    get only() {
      return identity?.tenant ?? null;
    },
    async ended() {
      // Only an operator can put another token in its place. Until then what there is to show waits.
      logger.warn({ tenant: standing().tenant }, 'slack says that the app was uninstalled: set a new SLACK_BOT_TOKEN');
    },
  };
}

async function whoAmI(client: SlackClient): Promise<Identity> {
  const me = await client.call((web) => web.auth.test(), AbortSignal.timeout(START_MS));
  if (!me.team_id || !me.user_id) throw new Error('auth.test returned no team or user');
  const tenant = me.is_enterprise_install && me.enterprise_id ? me.enterprise_id : me.team_id;
  return {
    tenant,
    team_id: me.team_id,
    enterprise_id: me.enterprise_id,
    url: me.url ?? 'https://slack.com/',
    bot_user_id: me.user_id,
    bot_id: me.bot_id,
  };
}
