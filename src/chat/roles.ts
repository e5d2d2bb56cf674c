import type { Collection, Db } from 'mongodb';
import { DEFAULT_WORKSPACE } from '../resources/defaults.ts';
import { createLots, PER_EVENT } from './lots.ts';
import type { Person } from './place.ts';

/** What somebody is in a workspace. Owners are of one agent each: they stand in its metadata. */
export const ROLES = ['admin', 'member', 'guest'] as const;
export type Role = (typeof ROLES)[number];

/** What somebody is towards one thing that they want to do something with. */
export type Standing = Role | 'owner' | 'starter';

/**
 * Who may do what; docs/slack.md shows the same table. An owner is one of the agent's owners, a starter began the session
 * in question. A guest is never an owner. With whom guests may speak, each agent says (guests.ts).
 */
export const MAY = {
  'see agents': ['admin', 'owner', 'member', 'guest'],
  'see how an agent is made': ['admin', 'owner', 'member'],
  'create an agent': ['admin', 'member'],
  'change an agent': ['admin', 'owner'],
  'set up a channel': ['admin', 'member'],
  'see runs and costs': ['admin', 'owner', 'member'],
  'stop or resume a session': ['admin', 'owner', 'starter'],
  'raise a budget': ['admin', 'owner'],
  'give roles': ['admin'],
} as const satisfies Record<string, readonly Standing[]>;

export type Action = keyof typeof MAY;

/** The person as they are known in all the house: `slack:U123`. */
export interface RoledPerson extends Pick<Person, 'guest'> {
  actor_id: string;
}

export interface Roles {
  roleOf(workspace_id: string, person: RoledPerson): Promise<Role>;
  /** For good, until it is given again. The first admins stay what they are. */
  give(workspace_id: string, actor_id: string, role: Role): Promise<void>;
  /** Set by configuration, and so not to be changed in chat. */
  isFirstAdmin(workspace_id: string, actor_id: string): boolean;
  /** Actor ids of all admins, the first ones first. */
  adminsOf(workspace_id: string): Promise<string[]>;
}

interface StoredPerson {
  _id: string;
  workspace_id: string;
  actor_id: string;
  role: Role;
}

/** Index that roles need; safe to call at every start. */
export async function createRoleIndexes(db: Db): Promise<void> {
  await db.collection('people').createIndexes([{ key: { workspace_id: 1, role: 1 } }]);
}

/**
 * @param admins actor ids of the first admins of the default workspace, whatever else is said of them. Elsewhere the same ids
 * are other people's: a tenant that installs Deckhand brings its own (tenant-workspaces.ts).
 */
export function createRoles(db: Db, admins: readonly string[]): Roles {
  const people: Collection<StoredPerson> = db.collection('people', { writeConcern: { w: 'majority', journal: true } });
  const first = new Set(admins);
  const isFirst = (workspace_id: string, actor_id: string) => workspace_id === DEFAULT_WORKSPACE && first.has(actor_id);
  const idOf = (workspace_id: string, actor_id: string) => JSON.stringify([workspace_id, actor_id]);

  const given = createLots<string, Role | undefined>(PER_EVENT, async (ids) => {
    const found = await people.find({ _id: { $in: ids } }, { projection: { role: 1 } }).toArray();
    const byId = new Map(found.map(({ _id, role }) => [_id, role]));
    return ids.map((id) => byId.get(id));
  });

  return {
    async roleOf(workspace_id, { actor_id, guest }) {
      if (isFirst(workspace_id, actor_id)) return 'admin';
      // What an admin said of somebody counts for more than what the platform says.
      return (await given(idOf(workspace_id, actor_id))) ?? (guest === true ? 'guest' : 'member');
    },
    async give(workspace_id, actor_id, role) {
      const _id = idOf(workspace_id, actor_id);
      await people.updateOne({ _id }, { $set: { workspace_id, actor_id, role } }, { upsert: true });
    },
    isFirstAdmin: isFirst,
    async adminsOf(workspace_id) {
      const found = await people.find({ workspace_id, role: 'admin' }, { projection: { actor_id: 1 } }).toArray();
      const configured = admins.filter((actor_id) => isFirst(workspace_id, actor_id));
      return [...new Set([...configured, ...found.map(({ actor_id }) => actor_id)])];
    },
  };
}

/** Whether somebody with this role, who owns the agent or started the session in question, may do this. */
export function may(action: Action, role: Role, also: { owner?: boolean; starter?: boolean } = {}): boolean {
  const allowed: readonly Standing[] = MAY[action];
  if (allowed.includes(role)) return true;
  if (also.starter === true && allowed.includes('starter')) return true;
  return also.owner === true && role !== 'guest' && allowed.includes('owner');
}

/** Why somebody may not do this, and whom to ask. @param owners by name */
export function forbidden(action: Action, owners: readonly string[] = []): string {
  const standings: readonly string[] = MAY[action];
  const who = [
    standings.includes('member') ? 'members of this workspace' : null,
    standings.includes('owner') && owners.length > 0 ? `its owners (${owners.join(', ')})` : null,
    standings.includes('starter') ? 'whoever began it' : null,
    'admins (`/agents role` names them)',
  ].filter((one) => one !== null);
  return `You may not ${action}. Who may: ${who.join(', ')}.`;
}

/** `slack:U123`: how metadata and configuration name a person. */
export function actorIdOf(connector: string, person: Pick<Person, 'id'>): string {
  return `${connector}:${person.id}`;
}
