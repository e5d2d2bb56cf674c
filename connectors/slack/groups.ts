import { LRUCache } from 'lru-cache';
import { PostRefusedError, type UserGroups } from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { ChannelTeams } from './channel-teams.ts';
import { isWithoutLeave, platformErrorOf } from './client.ts';
import type { SlackClients } from './installations.ts';

/** Who was taken off a group may still decide for so long. */
const MEMBERS_MS = 60_000;
const NAMES_MS = 3_600_000;
/** A decision waits for it no longer. */
const LOOKUP_MS = 2_000;

export interface SlackGroups extends UserGroups {
  /** All of them, by name; none while Slack does not say. Never rejects. */
  all(tenant: string): Promise<{ id: string; name: string }[]>;
  /** Ids of those who are known to be in it, as of a minute ago at most. Never rejects. */
  peopleOf(group: string, tenant: string): Promise<ReadonlySet<string>>;
  /** Who is in it, as of now. Errors as `Connector.post`. @param channel where it is asked for; null: nowhere */
  membersOf(group: string, at: { tenant: string; channel: string | null }, signal: AbortSignal): Promise<string[]>;
}

/**
 * User groups by usergroups.users.list and usergroups.list. Only what Slack said is kept, never that it did not answer: the
 * next question asks again.
 */
export function createGroups(clients: SlackClients, teams: Pick<ChannelTeams, 'around'>, logger: Logger): SlackGroups {
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

  /** A group is of one workspace: the others do not know it. */
  async function membersOf(
    usergroup: string,
    at: { tenant: string; channel: string | null },
    signal: AbortSignal,
  ): Promise<string[]> {
    let refusal = new PostRefusedError('no_such_subteam');
    for (const team of await teams.around(at)) {
      try {
        const asked = { usergroup, ...inTeam(team) };
        const { users } = await clients.of(at.tenant).call((web) => web.usergroups.users.list(asked), signal);
        return users ?? [];
      } catch (error) {
        if (!(error instanceof PostRefusedError)) throw error;
        refusal = error;
      }
    }
    throw refusal;
  }

  async function knownMembers(
    group: string,
    at: { tenant: string; channel: string | null },
  ): Promise<ReadonlySet<string> | null> {
    const key = `${at.tenant}:${group}`;
    const known = members.get(key);
    if (known !== undefined) return known;
    const answer = await asked('slack did not say who is in a user group', (signal) =>
      membersOf(group, at, signal).catch((error: unknown) => {
        // There is no such group, or its people are not for this app to see.
        if (error instanceof PostRefusedError || isWithoutLeave(platformErrorOf(error))) return [];
        throw error;
      }),
    );
    if (answer === null) return null;
    const found = new Set(answer);
    members.set(key, found);
    return found;
  }

  /** A workspace that refuses hides none of the others' names. @throws the refusal where all refuse */
  async function namesIn(tenant: string, signal: AbortSignal): Promise<ReadonlyMap<string, string>> {
    const around = await teams.around({ tenant, channel: null });
    const client = clients.of(tenant);
    const asked = around.map((team) => client.call((web) => web.usergroups.list(inTeam(team)), signal));
    const found = new Map<string, string>();
    const failures: unknown[] = [];
    for (const answer of await Promise.allSettled(asked)) {
      if (answer.status === 'rejected') failures.push(answer.reason);
      else for (const { id = '', handle, name } of answer.value.usergroups ?? []) found.set(id, handle ?? name ?? id);
    }
    const isRefusal = (error: unknown) => error instanceof PostRefusedError;
    if (failures.length === around.length || !failures.every(isRefusal)) throw failures[0];
    return found;
  }

  /** The names of all of a workspace's groups come in one answer. */
  async function namesOfAll(tenant: string): Promise<ReadonlyMap<string, string>> {
    const known = names.get(tenant);
    if (known !== undefined) return known;
    const found = await asked('slack did not name its user groups', (signal) => namesIn(tenant, signal));
    if (found !== null) names.set(tenant, found);
    return found ?? new Map();
  }

  return {
    nameOf: async (group, tenant) => (tenant === null ? group : ((await namesOfAll(tenant)).get(group) ?? group)),
    includes: async (group, person, at) => (await knownMembers(group, at))?.has(person.id) ?? null,
    peopleOf: async (group, tenant) => (await knownMembers(group, { tenant, channel: null })) ?? new Set(),
    membersOf,
    async all(tenant) {
      const found = [...(await namesOfAll(tenant))].map(([id, name]) => ({ id, name }));
      return found.toSorted((a, b) => a.name.localeCompare(b.name, 'en'));
    },
  };
}

function inTeam(team: string | undefined): { team_id?: string } {
  return team === undefined ? {} : { team_id: team };
}
