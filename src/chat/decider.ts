import type { Approval } from '../approvals/approval.ts';
import { type Decider, decidersOf, isRequester } from '../approvals/policy.ts';
import type { SessionRef } from '../session/log.ts';
import type { Connector } from './connector.ts';
import type { ConversationStore } from './conversation-store.ts';
import { targetOf } from './names.ts';
import type { ConversationKey, Person } from './place.ts';
import { actorIdOf, type Roles } from './roles.ts';
import type { SessionDirectory } from './session-directory.ts';
import { shorthanded } from './shorthanded.ts';

export interface DeciderDeps {
  conversations: Pick<ConversationStore, 'find'>;
  directory: Pick<SessionDirectory, 'find'>;
  connectors: ReadonlyMap<string, Pick<Connector, 'closed_conversations' | 'groups' | 'isDirect' | 'isGuest'>>;
  roles: Pick<Roles, 'roleOf'>;
}

/** Somebody on a platform, in the place in which it says that they are. */
export interface PersonAt {
  conversation: ConversationKey;
  person: Person;
}

/**
 * The person, and what the platform and the place say about them as to this approval, which was asked in `asked`. Who asked for
 * it is in that conversation wherever they are now, and so is who is in its channel: they see it.
 */
export async function deciderOf(
  deps: Pick<DeciderDeps, 'connectors' | 'roles'>,
  approval: Approval,
  from: PersonAt,
  asked: ConversationKey | null,
): Promise<Decider> {
  const { conversation, person } = from;
  const { connector, tenant, channel, thread } = conversation;
  const platform = deps.connectors.get(connector);
  const belongs = async (key: string): Promise<boolean | null> => {
    const { via, kind, id } = targetOf(key);
    if (via !== connector || kind === 'person') return false;
    // Whoever presses a button in a channel can see it.
    if (kind === 'channel') return id === channel;
    return platform?.groups === undefined ? false : platform.groups.includes(id, person, conversation);
  };
  const isSameChannel = asked?.connector === connector && asked.tenant === tenant && asked.channel === channel;
  const isHere = isSameChannel && (platform?.closed_conversations !== true || asked.thread === thread);
  const isAsker = asked?.connector === connector && isRequester(approval, { via: connector, id: person.id });
  const ids = decidersOf(approval);
  const actor_id = actorIdOf(connector, person);
  // Whoever is named themselves may decide, guest or not.
  const isNamed = ids.includes(actor_id);
  const guest = isNamed || platform?.isGuest === undefined ? false : await platform.isGuest(person, tenant);
  const role = isNamed ? null : await deps.roles.roleOf(approval.workspace_id, { actor_id, guest: guest ?? true });
  const known = await Promise.all(ids.map(belongs));
  const in_conversation = isAsker || isHere;
  const letsIn = known.includes(true) || (approval.policy.approvers.length === 0 && in_conversation);
  return {
    by: { via: connector, id: person.id, name: person.name },
    in_conversation,
    guest: role === 'guest',
    as_admin: role === 'admin' && (await shorthanded(deps, approval, asked)) !== null,
    belongs_to: ids.filter((_id, index) => known[index] === true),
    unsure: known.includes(null) || (guest === null && role === 'guest' && letsIn),
  };
}

/** It was asked on this platform, but in another tenant: here nobody knows of it, whatever it names them. */
export function isOfAnotherTenant(asked: ConversationKey | null, at: ConversationKey): boolean {
  return asked !== null && asked.connector === at.connector && asked.tenant !== at.tenant;
}

/** Where an approval was asked, and by which agent. */
export interface Asked {
  /** Null: in no chat, or its session is gone. */
  conversation: ConversationKey | null;
  agent_name: string;
}

export async function askedBy(deps: Pick<DeciderDeps, 'conversations' | 'directory'>, ref: SessionRef): Promise<Asked> {
  const session = await deps.directory.find({ workspace_id: ref.workspace_id, session_id: ref.session_id });
  const agent_name = session?.agent_name ?? 'An agent';
  const id = session?.conversation_id ?? null;
  const found = id === null ? null : await deps.conversations.find(id);
  if (found === null) return { conversation: null, agent_name };
  const { connector, tenant, channel, thread } = found;
  return { conversation: { connector, tenant, channel, thread }, agent_name };
}
