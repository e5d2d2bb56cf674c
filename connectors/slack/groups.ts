import { LRUCache } from 'lru-cache';
import type { UserGroups } from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { SlackClients } from './installations.ts';

/** Who was taken off a group may still decide for so long. */
const MEMBERS_MS = 60_000;
const NAMES_MS = 3_600_000;
/** A decision waits for it no longer. */
const LOOKUP_MS = 2_000;
/**
 * User groups by usergroups.users.list and usergroups.list. Only what Slack said is kept, never that it did not answer: the
 * next question asks again.
 * @param teamOf the workspace of a channel: an organisation's installation has to name it
 */
export function createGroups(
  clients: SlackClients,
  teamOf: (at: { tenant: string; channel: string }) => string | undefined,
  logger: Logger,
): UserGroups {
  const members = new LRUCache<string, ReadonlySet<string>>({ max: 1_000, ttl: MEMBERS_MS });
  const names = new LRUCache<string, ReadonlyMap<string, string>>({ max: 1_000, ttl: NAMES_MS });

  async function asked<T>(what: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    try {
      return await ask(AbortSignal.timeout(LOOKUP_MS));
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, what);
      return null;
    }
  }

  async function membersOf(usergroup: string, at: { tenant: string; channel: string }): Promise<ReadonlySet<string>> {
    const key = `${at.tenant}:${usergroup}`;
    const known = members.get(key);
    if (known !== undefined) return known;
    const answer = await asked('slack did not say who is in a user group', (signal) =>
      clients.of(at.tenant).call((web) => web.usergroups.users.list({ usergroup, ...inTeam(teamOf(at)) }), signal),
    );
    const found = new Set(answer?.users ?? []);
    if (answer !== null) members.set(key, found);
    return found;
  }

  /** The names of all of a tenant's groups come in one answer. */
  async function namesOfAll(tenant: string): Promise<ReadonlyMap<string, string>> {
    const known = names.get(tenant);
    if (known !== undefined) return known;
    const answer = await asked('slack did not name its user groups', (signal) =>
      clients.of(tenant).call((web) => web.usergroups.list(), signal),
    );
    const named = (answer?.usergroups ?? []).map(({ id = '', handle, name }) => [id, handle ?? name ?? id] as const);
    const found = new Map(named);
    if (answer !== null) names.set(tenant, found);
    return found;
  }

  return {
    nameOf: async (group, tenant) => (tenant === null ? group : ((await namesOfAll(tenant)).get(group) ?? group)),
    includes: async (group, person, at) => (await membersOf(group, at)).has(person.id),
  };
}

function inTeam(team: string | undefined): { team_id?: string } {
  return team === undefined ? {} : { team_id: team };
}
