import { randomUUID } from 'node:crypto';
import type { Installation, InstallationStore } from '@slack/oauth';
import type { Collection, Db } from 'mongodb';
import { type Seal, SealError, type Sealed } from '../../src/seal.ts';

interface Named {
  id: string;
  name: string | null;
}

/** Stays when the app is uninstalled, without its tokens: whose workspace it is does not change. */
interface StoredInstallation {
  /** The tenant: an organisation's id when it was installed for the whole of it, else the workspace's. */
  _id: string;
  /** Of the house. */
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
  /** Absent: the app is not installed there any more. */
  tokens?: Sealed;
  /** These tokens. */
  stored_at: Date;
  /** Somebody asks Slack for the next ones, and nobody else until then, by the database's clock. */
  renewing?: { by: string; until: Date };
}

/** As JSON under the seal. */
interface Tokens {
  bot: string;
  refresh: string | null;
}

/** An installation as the connector uses it. */
export interface FoundInstallation {
  /** Null: an organisation's. */
  team_id: string | null;
  enterprise_id: string | null;
  bot: { id: string; user_id: string };
  token: string;
  /** Good once, for the next token; null where tokens do not end. */
  refresh_token: string | null;
  /** When the token ends, in seconds since the epoch; null: never. */
  expires_at: number | null;
  url: string;
  /** Changes with each installation and refresh. */
  version: string;
}

/** What Slack gives for a refresh token. */
export interface NextTokens {
  token: string;
  refresh_token: string;
  /** Seconds since the epoch. */
  expires_at: number;
}

export interface SlackInstallations extends Pick<InstallationStore, 'storeInstallation'> {
  createIndexes(): Promise<void>;
  /** The workspace of a tenant that has ever installed the app, else null. It is always the same. */
  workspaceOf(tenant: string): Promise<string | null>;
  /** @throws SealError */
  find(tenant: string): Promise<FoundInstallation | null>;
  /** Seal anew whatever an earlier key sealed. Returns the tenants whose key is not configured. */
  sealAnew(): Promise<string[]>;
  /** The tenant whose bot this is. */
  tenantOfBot(bot_id: string): Promise<string | null>;
  /** Be the only one who renews these tokens, for so long. Null: somebody else is, or they were replaced. */
  claimRenewal(tenant: string, token: string, ms: number): Promise<string | null>;
  /** Put these in their place and end the claim; false: somebody else has it now, or the app was installed anew. */
  renewed(tenant: string, claim: string, next: NextTokens): Promise<boolean>;
  /** They were not renewed, and anybody may try. */
  endClaim(tenant: string, claim: string): Promise<void>;
  /** Remove its tokens, unless it was installed anew or refreshed since, or that is under way. */
  remove(tenant: string, version: string): Promise<boolean>;
}

/** Workspaces of the house for those who install the app. */
export interface HouseWorkspaces {
  /** Of a tenant that never installed it before: the same however often this is asked. */
  of(tenant: string): Promise<string>;
  /** Make it ready for people; this one, by Slack's id, is its first. A repeat changes nothing. */
  open(workspace_id: string, installed_by: string): Promise<void>;
}

export interface InstallationStoreParts {
  db: Db;
  seal: Seal;
  workspaces: HouseWorkspaces;
  /** The address of the workspace that this token is for. */
  urlOf: (token: string) => Promise<string>;
  /** Whether Slack calls this person an admin or an owner there. */
  isSlackAdmin: (token: string, user_id: string) => Promise<boolean>;
}

/** Installations in MongoDB. No user's token is kept: nothing is done in a person's name. */
export function createInstallationStore({
  db,
  seal,
  workspaces,
  urlOf,
  isSlackAdmin,
}: InstallationStoreParts): SlackInstallations {
  const installations = installationsIn(db);

  const sealed = (tenant: string, tokens: Tokens) => seal.seal(JSON.stringify(tokens), boundTo(tenant));

  const opened = (tenant: string, tokens: Sealed): Tokens => JSON.parse(seal.open(tokens, boundTo(tenant)));

  async function find(tenant: string): Promise<FoundInstallation | null> {
    const stored = await installations.findOne({ _id: tenant });
    if (stored?.tokens === undefined) return null;
    const tokens = opened(tenant, stored.tokens);
    return {
      team_id: stored.team?.id ?? null,
      enterprise_id: stored.enterprise?.id ?? null,
      bot: stored.bot,
      token: tokens.bot,
      refresh_token: tokens.refresh,
      expires_at: stored.bot.expires_at,
      url: stored.url,
      version: stored.tokens.iv,
    };
  }

  async function endClaim(tenant: string, claim: string): Promise<void> {
    await installations.updateOne({ _id: tenant, 'renewing.by': claim }, { $unset: { renewing: '' } });
  }

  return {
    async createIndexes() {
      await installations.createIndexes([
        { key: { 'bot.id': 1, 'tokens.key_id': 1 } },
        { key: { 'tokens.key_id': 1 } },
      ]);
    },

    workspaceOf: (tenant) => installedWorkspaceOf(db, tenant),

    find,

    async sealAnew() {
      const closed: string[] = [];
      // A text: where the app is not installed any more there is none.
      const foreign = { $type: 'string' as const, $ne: seal.key_id };
      const others = installations.find({ 'tokens.key_id': foreign }, { projection: { tokens: 1 } });
      for await (const { _id, tokens: before } of others) {
        if (before === undefined) continue;
        try {
          const tokens = sealed(_id, opened(_id, before));
          await installations.updateOne({ _id, 'tokens.iv': before.iv }, { $set: { tokens } });
        } catch (error) {
          if (!(error instanceof SealError)) throw error;
          closed.push(_id);
        }
      }
      return closed;
    },

    async tenantOfBot(bot_id) {
      // A text, as in `sealAnew`.
      const isInstalled = { 'tokens.key_id': { $gte: '' } };
      const stored = await installations.findOne({ 'bot.id': bot_id, ...isInstalled }, { projection: { _id: 1 } });
      return stored?._id ?? null;
    },

    async claimRenewal(tenant, token, ms) {
      const by = randomUUID();
      const until = { $add: ['$$NOW', ms] };
      const claimed = await installations.updateOne({ _id: tenant, $expr: NOBODY_RENEWS }, [
        { $set: { renewing: { by, until } } },
      ]);
      if (claimed.matchedCount === 0) return null;
      // What was replaced before the claim is nobody's to renew.
      if ((await find(tenant))?.token === token) return by;
      await endClaim(tenant, by);
      return null;
    },

    async renewed(tenant, claim, { token, refresh_token, expires_at }) {
      const tokens = sealed(tenant, { bot: token, refresh: refresh_token });
      const { matchedCount } = await installations.updateOne(
        { _id: tenant, 'renewing.by': claim },
        { $set: { tokens, 'bot.expires_at': expires_at, stored_at: new Date() }, $unset: { renewing: '' } },
      );
      return matchedCount === 1;
    },

    endClaim,

    async remove(tenant, version) {
      const { matchedCount } = await installations.updateOne(
        { _id: tenant, 'tokens.iv': version, $expr: NOBODY_RENEWS },
        { $unset: { tokens: '', renewing: '' } },
      );
      return matchedCount === 1;
    },

    async storeInstallation(installation) {
      const { bot } = installation;
      const tenant = tenantOf(installation);
      if (bot === undefined) throw new Error('Slack gave no token for the bot');
      const installer = installation.user.id;
      const url = await urlOf(bot.token);
      const before = await installations.findOne({ _id: tenant }, { projection: { workspace_id: 1, 'tokens.iv': 1 } });
      const workspace_id = before?.workspace_id ?? (await workspaces.of(tenant));
      // In most workspaces any member may install an app, and also remove it: neither may make them an admin of what is there.
      const isFirst = before === null;
      const isBack = !isFirst && before.tokens === undefined;
      if (isFirst || (isBack && (await isSlackAdmin(bot.token, installer))))
        await workspaces.open(workspace_id, installer);
      const document: Omit<StoredInstallation, '_id'> = {
        workspace_id,
        is_enterprise_install: installation.isEnterpriseInstall === true,
        team: named(installation.team),
        enterprise: named(installation.enterprise),
        app_id: installation.appId ?? null,
        url,
        bot: { id: bot.id, user_id: bot.userId, scopes: bot.scopes, expires_at: bot.expiresAt ?? null },
        installed_by: installer,
        tokens: sealed(tenant, { bot: bot.token, refresh: bot.refreshToken ?? null }),
        stored_at: new Date(),
      };
      await installations.replaceOne({ _id: tenant }, document, { upsert: true });
    },
  };
}

/** As `SlackInstallations.workspaceOf`, also where nobody has a key for the tokens. */
export async function installedWorkspaceOf(db: Db, tenant: string): Promise<string | null> {
  const stored = await installationsIn(db).findOne({ _id: tenant }, { projection: { workspace_id: 1 } });
  return stored?.workspace_id ?? null;
}

function installationsIn(db: Db): Collection<StoredInstallation> {
  return db.collection('slack_installations', { writeConcern: { w: 'majority', journal: true } });
}

const NOBODY_RENEWS = { $lte: [{ $ifNull: ['$renewing.until', new Date(0)] }, '$$NOW'] };

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
