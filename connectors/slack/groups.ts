import { LRUCache } from 'lru-cache';
import type { UserGroups } from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { SlackClient } from './client.ts';

/** Who was taken off a group may still decide for so long. */
const MEMBERS_MS = 60_000;
const NAMES_MS = 3_600_000;
/** A decision waits for it no longer. */
const LOOKUP_MS = 2_000;
/** The names of all groups come in one answer. */
const ALL = 'all';

/**
 * User groups by usergroups.users.list and usergroups.list. Only what Slack said is kept, never that it did not answer: the
 * next question asks again.
 */
export function createGroups(client: SlackClient, logger: Logger): UserGroups {
  const members = new LRUCache<string, ReadonlySet<string>>({ max: 1_000, ttl: MEMBERS_MS });
  const names = new LRUCache<string, ReadonlyMap<string, string>>({ max: 1, ttl: NAMES_MS });

  async function asked<T>(what: string, ask: (signal: AbortSignal) => Promise<T>): Promise<T | null> {
    try {
      return await ask(AbortSignal.timeout(LOOKUP_MS));
    } catch (error) {
      logger.warn({ reason: messageOf(error) }, what);
      return null;
    }
  }

  async function membersOf(usergroup: string): Promise<ReadonlySet<string>> {
    const known = members.get(usergroup);
    if (known !== undefined) return known;
    const answer = await asked('slack did not say who is in a user group', (signal) =>
      client.call((web) => web.usergroups.users.list({ usergroup }), signal),
    );
    const found = new Set(answer?.users ?? []);
    if (answer !== null) members.set(usergroup, found);
    return found;
  }

  async function namesOfAll(): Promise<ReadonlyMap<string, string>> {
    const known = names.get(ALL);
    if (known !== undefined) return known;
    const answer = await asked('slack did not name its user groups', (signal) =>
      client.call((web) => web.usergroups.list(), signal),
    );
    const named = (answer?.usergroups ?? []).map(({ id = '', handle, name }) => [id, handle ?? name ?? id] as const);
    const found = new Map(named);
    if (answer !== null) names.set(ALL, found);
    return found;
  }

  return {
    nameOf: async (group) => (await namesOfAll()).get(group) ?? group,
    includes: async (group, person) => (await membersOf(group)).has(person.id),
  };
}
