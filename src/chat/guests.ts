import type { Connector } from './connector.ts';
import type { Conversation } from './conversation-store.ts';
import type { Person } from './place.ts';
import type { Role } from './roles.ts';
import type { AgentName, ChatSession, SessionDirectory } from './session-directory.ts';

/** As who asks for something that can be asked again: whoever the platform does not know just now counts as a guest. */
export async function countsAsGuest(
  connector: Pick<Connector, 'isGuest'> | undefined,
  person: Person,
  tenant: string,
): Promise<boolean> {
  if (connector?.isGuest === undefined) return false;
  return (await connector.isGuest(person, tenant)) ?? true;
}

/** Who wants to speak to an agent. */
export interface Speaker {
  actor_id: string;
  role: Role;
}

/**
 * Why this person may not speak to this agent in this conversation, as a sentence for them; null when they may. Only of
 * guests is anything asked: by default they speak in sessions that they began themselves, and may begin one.
 */
export async function guestRefusal(
  { directory }: { directory: Pick<SessionDirectory, 'find'> },
  { actor_id, role }: Speaker,
  agent: Pick<AgentName, 'guests' | 'id' | 'name'>,
  { workspace_id, sessions }: Pick<Conversation, 'workspace_id' | 'sessions'>,
): Promise<string | null> {
  if (role !== 'guest' || agent.guests === 'allow') return null;
  if (agent.guests === 'deny') {
    return (
      `${agent.name} takes nothing from guests. Who may speak to it: members of this workspace. ` +
      'Ask one of them, or its owners to let guests in (`/agents edit`).'
    );
  }
  const slot = sessions[agent.id];
  const session = slot === undefined ? null : await directory.find({ workspace_id, session_id: slot.session_id });
  return isOthers(session, actor_id) ? steersOthers(agent) : null;
}

/** Said to a guest who presses Stop where somebody else's session runs. */
export const STOPS_OTHERS =
  'Guests may not stop what somebody else began. Who may: whoever began it, and members of this workspace.';

function isOthers(session: ChatSession | null, actor_id: string): boolean {
  return session?.open === true && session.started_by !== actor_id;
}

function steersOthers({ name }: Pick<AgentName, 'name'>): string {
  return (
    'Guests may not steer what somebody else began. Who may: whoever began it, and members of this workspace. ' +
    `Mention ${name} in a new thread to begin a session of your own.`
  );
}
