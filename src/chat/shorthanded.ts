import { type Approval, quorumOf } from '../approvals/approval.ts';
import { requestersOf } from '../approvals/policy.ts';
import type { Connector } from './connector.ts';
import type { ConversationKey } from './place.ts';
import { actorIdOf, type Roles } from './roles.ts';

export interface ShorthandedDeps {
  connectors: ReadonlyMap<string, Pick<Connector, 'isDirect' | 'isGuest'>>;
  roles: Pick<Roles, 'roleOf'>;
}

/** How many of those in the conversation may approve; null: that is not known. */
export interface Shortage {
  there: number | null;
}

/**
 * Whether an approval that names nobody lacks people in its conversation who could decide it: only guests asked for it, and nobody
 * else need be there or look; or one person is alone there where several have to approve, or others than who asked. Admins may
 * decide it then, from wherever they are: they could change who may. Null: it lacks none.
 * @param asked where it was asked; null: in no chat, and so by somebody with a key of the API
 */
export async function shorthanded(
  { connectors, roles }: ShorthandedDeps,
  approval: Pick<Approval, 'also_asked' | 'policy' | 'requested_by' | 'workspace_id'>,
  asked: ConversationKey | null,
): Promise<Shortage | null> {
  const { policy, workspace_id } = approval;
  if (asked === null || policy.approvers.length > 0) return null;
  const platform = connectors.get(asked.connector);
  const requesters = requestersOf(approval).filter(({ via }) => via === asked.connector);
  const isDirect = platform?.isDirect?.(asked) === true;
  const theirs = await Promise.all(
    requesters.map(async (person) => {
      // Unknown is no guest here: it would call people who need not be asked.
      const guest = (await platform?.isGuest?.(person, asked.tenant)) === true;
      return roles.roleOf(workspace_id, { actor_id: actorIdOf(asked.connector, person), guest });
    }),
  );
  if (theirs.length > 0 && theirs.every((role) => role === 'guest')) return { there: isDirect ? 0 : null };
  if (!isDirect) return null;
  const there = policy.four_eyes && requesters.length > 0 ? 0 : 1;
  return there < quorumOf(approval) ? { there } : null;
}
