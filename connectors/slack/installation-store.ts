import type { Installation, InstallationQuery, InstallationStore } from '@slack/oauth';
import type { Collection, Db } from 'mongodb';
import { NotInstalledError } from './installations.ts';

/** A token as it is stored; see src/seal.ts. */
interface Sealed {
  key_id: string;
  iv: string;
  tag: string;
  data: string;
}

/** Keeps tokens unreadable in the database. `bound_to`: a token that is moved to another tenant does not open. */
export interface Seal {
  readonly key_id: string;
  seal(secret: string, bound_to: string): Sealed;
  open(sealed: Sealed, bound_to: string): string;
}

interface Named {
  id: string;
  name: string | null;
}

interface StoredInstallation {
  /** The tenant: an organisation's id when it was installed for the whole of it, else the workspace's. */
  _id: string;
  workspace_id: string;
  is_enterprise_install: boolean;
  team: Named | null;
  enterprise: Named | null;
  app_id: string | null;
  /** Of the workspace, for links. */
  url: string;
  bot: { id: string; user_id: string; scopes: string[]; expires_at: number | null };
  /** Slack's id of whoever installed it. */
  installed_by: string;
  tokens: Sealed;
  /** These tokens. */
  stored_at: Date;
}

/** As JSON under the seal. */
interface Tokens {
  bot: string;
  refresh: string | null;
}

/** An installation as the connector uses it. */
export interface FoundInstallation {
  installation: Installation<'v2', boolean>;
  token: string;
  url: string;
  /** Changes with each installation and refresh. */
  version: string;
  /** Tokens end, and are renewed before (seconds since the epoch). */
  expires_at: number | null;
}

export interface SlackInstallations extends InstallationStore {
  createIndexes(): Promise<void>;
  find(tenant: string): Promise<FoundInstallation | null>;
  /** The tenant whose bot this is. */
  tenantOfBot(bot_id: string): Promise<string | null>;
  /** Remove it, unless it was installed anew or refreshed since. */
  remove(tenant: string, version: string): Promise<boolean>;
}

export interface InstallationStoreParts {
  db: Db;
  seal: Seal;
  workspace_id: string;
  /** The address of the workspace that this token is for. */
  urlOf: (token: string) => Promise<string>;
}

/** Installations in MongoDB. No user's token is kept: nothing is done in a person's name. */
export function createInstallationStore({ db, seal, workspace_id, urlOf }: InstallationStoreParts): SlackInstallations {
  const installations: Collection<StoredInstallation> = db.collection('slack_installations', {
    writeConcern: { w: 'majority', journal: true },
  });

  const sealed = (tenant: string, tokens: Tokens) => seal.seal(JSON.stringify(tokens), boundTo(tenant));

  async function find(tenant: string): Promise<FoundInstallation | null> {
    const stored = await installations.findOne({ _id: tenant });
    if (stored === null) return null;
    const tokens: Tokens = JSON.parse(seal.open(stored.tokens, boundTo(tenant)));
    if (stored.tokens.key_id !== seal.key_id) {
      const renewed = sealed(tenant, tokens);
      await installations.updateOne({ _id: tenant, 'tokens.iv': stored.tokens.iv }, { $set: { tokens: renewed } });
      stored.tokens = renewed;
    }
    return {
      installation: toInstallation(stored, tokens),
      token: tokens.bot,
      url: stored.url,
      version: stored.tokens.iv,
      expires_at: stored.bot.expires_at,
    };
  }

  return {
    async createIndexes() {
      await installations.createIndex({ 'bot.id': 1 });
    },

    find,

    async tenantOfBot(bot_id) {
      const stored = await installations.findOne({ 'bot.id': bot_id }, { projection: { _id: 1 } });
      return stored?._id ?? null;
    },

    async remove(tenant, version) {
      const { deletedCount } = await installations.deleteOne({ _id: tenant, 'tokens.iv': version });
      return deletedCount === 1;
    },

    async storeInstallation(installation) {
      const { bot } = installation;
      const tenant = tenantOf(installation);
      if (bot === undefined) throw new Error('Slack gave no token for the bot');
      // A refreshed token replaces one that is gone: nothing may fail before it is stored.
      const before = await installations.findOne({ _id: tenant }, { projection: { url: 1 } });
      const document: Omit<StoredInstallation, '_id'> = {
        workspace_id,
        is_enterprise_install: installation.isEnterpriseInstall === true,
        team: named(installation.team),
        enterprise: named(installation.enterprise),
        app_id: installation.appId ?? null,
        url: before?.url ?? (await urlOf(bot.token)),
        bot: { id: bot.id, user_id: bot.userId, scopes: bot.scopes, expires_at: bot.expiresAt ?? null },
        installed_by: installation.user.id,
        tokens: sealed(tenant, { bot: bot.token, refresh: bot.refreshToken ?? null }),
        stored_at: new Date(),
      };
      await installations.replaceOne({ _id: tenant }, document, { upsert: true });
    },

    async fetchInstallation(query: InstallationQuery<boolean>) {
      const tenant = (query.isEnterpriseInstall ? query.enterpriseId : query.teamId) ?? '';
      const found = await find(tenant);
      if (found === null) throw new NotInstalledError(tenant);
      return found.installation;
    },
  };
}

function tenantOf({ isEnterpriseInstall, enterprise, team }: Installation): string {
  const tenant = isEnterpriseInstall === true ? enterprise?.id : team?.id;
  if (tenant === undefined) throw new Error('Slack named no workspace for this installation');
  return tenant;
}

function boundTo(tenant: string): string {
  return JSON.stringify(['slack_installations', tenant]);
}

function named(of: { id: string; name?: string } | undefined): Named | null {
  return of === undefined ? null : { id: of.id, name: of.name ?? null };
}

function unnamed(of: Named | null): { id: string; name?: string } | undefined {
  return of === null ? undefined : { id: of.id, ...(of.name !== null && { name: of.name }) };
}

function toInstallation(stored: StoredInstallation, tokens: Tokens): Installation<'v2', boolean> {
  const { bot } = stored;
  return {
    team: unnamed(stored.team),
    enterprise: unnamed(stored.enterprise),
    user: { token: undefined, scopes: undefined, id: stored.installed_by },
    bot: {
      id: bot.id,
      userId: bot.user_id,
      scopes: bot.scopes,
      token: tokens.bot,
      ...(tokens.refresh !== null && { refreshToken: tokens.refresh }),
      ...(bot.expires_at !== null && { expiresAt: bot.expires_at }),
    },
    ...(stored.app_id !== null && { appId: stored.app_id }),
    tokenType: 'bot',
    isEnterpriseInstall: stored.is_enterprise_install,
    authVersion: 'v2',
  };
}
