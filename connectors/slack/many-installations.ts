import { LRUCache } from 'lru-cache';
import { z } from 'zod';
import type { Logger } from '../../src/logger.ts';
import { addressedTo } from './addressed-to.ts';
import { platformErrorOf, type SlackClient } from './client.ts';
import type { FoundInstallation, HouseWorkspaces, SlackInstallations } from './installation-store.ts';
import { type Installations, NotInstalledError } from './installations.ts';
import type { Identity } from './parse.ts';
import { CLAIM_MS, type createRenewal, isEnding } from './renewal.ts';

/** What another gateway learned of an installation is known here after so long, or when Slack refuses its token. */
const KNOWN_MS = 60_000;
const TENANTS = 10_000;
const CHECK_MS = 10_000;
/** Slack's words for a token that is worth nothing any more: uninstalled, revoked, its workspace gone. */
const DEAD = new Set(['token_revoked', 'account_inactive']);
/** Words that a token which was put in its place meanwhile answers. */
const STALE = new Set([...DEAD, 'invalid_auth', 'token_expired']);

export interface ManyInstallationParts {
  store: SlackInstallations;
  workspaces: Pick<HouseWorkspaces, 'of'>;
  /** An installation with a token that is good. */
  renewed: ReturnType<typeof createRenewal>;
  now: () => number;
  clientOf: (token: string) => SlackClient;
  /** Which may use the app; null: all. Who installed it when it was among them is not let in any more. */
  teams: ReadonlySet<string> | null;
  logger: Logger;
}

export interface ManyInstallations extends Installations {
  /** What is known of this tenant is not true any more. */
  forget(tenant: string): void;
}

interface Standing {
  identity: Identity;
  client: SlackClient;
  token: string;
  expires_at: number | null;
  version: string;
}

/** Every workspace and organisation that installed the app, each with its own token. */
export function createManyInstallations(parts: ManyInstallationParts): ManyInstallations {
  const { store, workspaces: fresh, renewed, clientOf, teams, now, logger } = parts;
  const known = new LRUCache<string, Promise<Standing>>({
    max: TENANTS,
    ttl: KNOWN_MS,
    // It asks the clock each time: a test's may jump.
    ttlResolution: 0,
    perf: { now },
  });
  const urls = new LRUCache<string, string>({ max: TENANTS });
  const bots = new LRUCache<string, string>({ max: TENANTS });
  const workspaces = new LRUCache<string, string>({ max: TENANTS });

  /** @param refused a token that Slack has refused */
  async function read(tenant: string, refused: string | null): Promise<Standing> {
    if (teams !== null && !teams.has(tenant)) throw new NotInstalledError(tenant);
    const stored = await store.find(tenant);
    const found = stored === null ? null : await renewed(tenant, stored, stored.token === refused);
    if (found === null) throw new NotInstalledError(tenant);
    const { token, version, expires_at, url } = found;
    urls.set(tenant, url);
    return { identity: identityOf(tenant, found), client: clientOf(token), token, expires_at, version };
  }

  function standing(tenant: string, refused: string | null = null): Promise<Standing> {
    const before = known.get(tenant);
    if (before !== undefined) return before;
    const reading = read(tenant, refused);
    known.set(tenant, reading);
    // Somebody renews it, or could not.
    reading
      .then((found) => isEnding(found, now()) && known.set(tenant, reading, { ttl: CLAIM_MS }))
      .catch(() => undefined);
    // What could not be read is asked again next time.
    reading.catch(() => {
      if (known.peek(tenant) === reading) known.delete(tenant);
    });
    return reading;
  }

  function gone(tenant: string, reason: string): void {
    logger.warn({ tenant, reason }, 'slack app is not installed here any more; nothing more is posted there');
  }

  /** Slack refused this token: what stands in its place now; else it is off the record, and nobody tries it again. */
  async function instead(tenant: string, refused: Standing, reason: string, cause: unknown): Promise<Standing> {
    known.delete(tenant);
    const other = await standing(tenant, refused.token);
    if (other.token !== refused.token) return other;
    if (!DEAD.has(reason)) throw cause;
    known.delete(tenant);
    if (!(await store.remove(tenant, other.version))) {
      // Somebody else heard of the same end.
      if ((await store.find(tenant)) === null) throw new NotInstalledError(tenant, { cause });
      // Another token is on its way, or came just now: what was to be done is tried again.
      throw cause;
    }
    gone(tenant, reason);
    throw new NotInstalledError(tenant, { cause });
  }

  function clientIn(tenant: string): SlackClient {
    return {
      async call(run, signal) {
        signal.throwIfAborted();
        const first = await standing(tenant);
        try {
          return await first.client.call(run, signal);
        } catch (error) {
          const reason = platformErrorOf(error);
          if (reason === null || !STALE.has(reason)) throw error;
          // A refused token had no effect.
          const other = await instead(tenant, first, reason, error);
          return other.client.call(run, signal);
        }
      },
    };
  }

  async function tenantOf(body: unknown): Promise<{ tenant: string; team_id: string | null }> {
    const { bot_id, tenant, team_id } = addressedTo(body);
    const own = bot_id === null ? null : (bots.get(bot_id) ?? (await store.tenantOfBot(bot_id)));
    if (own !== null && bot_id !== null) bots.set(bot_id, own);
    return { tenant: own ?? tenant ?? 'nowhere', team_id };
  }

  return {
    only: null,
    start: async () => undefined,
    of: clientIn,
    async identityOf(body) {
      const { tenant, team_id } = await tenantOf(body);
      const { identity } = await standing(tenant);
      // An organisation's installation is in many workspaces.
      return identity.tenant === identity.enterprise_id && team_id !== null ? { ...identity, team_id } : identity;
    },
    identityIn: async (tenant) => (await standing(tenant)).identity,
    async workspaceOf(tenant) {
      const known = workspaces.get(tenant) ?? (await store.workspaceOf(tenant));
      // Never the default one: what nobody has installed is not let in among those who have.
      if (known === null) return fresh.of(tenant);
      workspaces.set(tenant, known);
      return known;
    },
    urlOf: (tenant) => urls.get(tenant) ?? null,
    async ended(body) {
      const { tenant } = await tenantOf(body);
      known.delete(tenant);
      try {
        const { version } = await standing(tenant);
        // The word may be late, and the app installed anew since: the token itself knows.
        const refusal = await clientIn(tenant)
          .call((web) => web.auth.test(), AbortSignal.timeout(CHECK_MS))
          .then(() => null, refusalOf);
        if (refusal === null) return;
        // Its token had ended before, and nobody used the app, so that it was not renewed. Where it is just being renewed, or
        // only some tokens are meant, Slack says it again, and more is known then.
        if (!isUninstall(body) || !(await store.remove(tenant, version))) throw refusal.error;
        known.delete(tenant);
        gone(tenant, refusal.reason);
      } catch (error) {
        if (!(error instanceof NotInstalledError)) throw error;
      }
    },
    forget(tenant) {
      known.delete(tenant);
    },
  };
}

/** Slack's word for a token that is worth nothing now. @throws what is no such word */
function refusalOf(error: unknown): { reason: string; error: unknown } {
  const reason = platformErrorOf(error);
  if (reason === null || !STALE.has(reason)) throw error;
  return { reason, error };
}

const uninstall = z.object({ event: z.object({ type: z.literal('app_uninstalled') }) });

function isUninstall(body: unknown): boolean {
  return uninstall.safeParse(body).success;
}

function identityOf(tenant: string, { team_id, enterprise_id, bot, url }: FoundInstallation): Identity {
  return {
    tenant,
    team_id: team_id ?? tenant,
    enterprise_id: enterprise_id ?? undefined,
    url,
    bot_user_id: bot.user_id,
    bot_id: bot.id,
  };
}
