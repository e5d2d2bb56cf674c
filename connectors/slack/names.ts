import type { UsersInfoResponse } from '@slack/web-api';
import { LRUCache } from 'lru-cache';
import { PostRefusedError } from '../../src/chat/connector.ts';
import { messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import { platformErrorOf } from './client.ts';
import type { Installations } from './installations.ts';
import type { Names } from './mrkdwn.ts';
import type { Identity } from './parse.ts';

const HOUR_MS = 3_600_000;
/** What a person said waits for their name no longer. */
const LOOKUP_MS = 1_000;

/** What users.info says of somebody. */
interface Known {
  name: string;
  /** Null: Slack did not answer. */
  guest: boolean | null;
}

/** People of one tenant. */
export interface TenantPeople extends Pick<Names, 'user'> {
  /**
   * Whether they are no full member of the installation's workspace or organisation; true where Slack says nothing of them.
   * Null: it does not answer just now.
   */
  isGuest(id: string): Promise<boolean | null>;
}

export interface People {
  of(tenant: string): TenantPeople;
}

/** The app may not ask: asking again changes nothing. */
const FORBIDDEN = new Set<string | null>(['missing_scope', 'no_permission']);

/** People by users.info, kept for an hour. A failed lookup answers with the id, and is asked again next time. */
export function createPeople(installations: Pick<Installations, 'of' | 'identityIn'>, logger: Logger): People {
  const known = new LRUCache<string, Known>({ max: 10_000, ttl: HOUR_MS });
  const asked = new Map<string, Promise<Known>>();

  async function lookup(tenant: string, id: string, key: string): Promise<Known> {
    try {
      const signal = AbortSignal.timeout(LOOKUP_MS);
      const { user } = await installations.of(tenant).call((web) => web.users.info({ user: id }), signal);
      const name = user?.profile?.display_name || user?.profile?.real_name || user?.real_name || user?.name;
      if (!user || !name) return { name: id, guest: true };
      const found = { name, guest: isGuest(user, await installations.identityIn(tenant)) };
      known.set(key, found);
      return found;
    } catch (error) {
      logger.warn({ tenant, user: id, reason: messageOf(error) }, 'slack user not found, showing the id');
      const isAnswer = error instanceof PostRefusedError || FORBIDDEN.has(platformErrorOf(error));
      return { name: id, guest: isAnswer ? true : null };
    } finally {
      asked.delete(key);
    }
  }

  async function find(tenant: string, id: string): Promise<Known> {
    const key = `${tenant}:${id}`;
    const person = known.get(key);
    if (person !== undefined) return person;
    const pending = asked.get(key) ?? lookup(tenant, id, key);
    asked.set(key, pending);
    return pending;
  }

  return {
    of: (tenant) => ({
      user: async (id) => (await find(tenant, id)).name,
      isGuest: async (id) => (await find(tenant, id)).guest,
    }),
  };
}

/**
 * `is_stranger` is said only of people who share no channel with the app (docs.slack.dev/reference/objects/user-object):
 * somebody of another company in a shared channel is known by their team. In Enterprise Grid the teams of one organisation
 * differ, and its id is the same.
 */
function isGuest(user: NonNullable<UsersInfoResponse['user']>, identity: Identity): boolean {
  if (user.is_restricted === true || user.is_ultra_restricted === true || user.is_stranger === true) return true;
  if (user.team_id === undefined || user.team_id === identity.team_id) return false;
  const organisation = user.enterprise_user?.enterprise_id;
  return organisation === undefined || organisation !== identity.enterprise_id;
}
