import type { GuestSetting } from '../resources/agent-settings.ts';
import type { Actor } from '../session/event.ts';
import type { SessionRef } from '../session/log.ts';
import type { ConversationKey } from './place.ts';

/** What chat needs to know of agents and sessions; the resources know it. */
export interface SessionDirectory {
  /** The workspace that a place belongs to. */
  workspaceOf(connector: string, tenant: string): Promise<string>;
  /** The agents that people may speak to, the default one first; archived ones are left out. */
  agents(workspace_id: string): Promise<AgentName[]>;
  /**
   * Make this session, unless it was made already. The id was reserved by the caller. Returns why it cannot be made, as a
   * sentence for whoever asked for it; null when it is there.
   */
  create(session: NewSession): Promise<string | null>;
  /** Why this agent's next session could not be made, as the same sentence; null when it could. */
  problemOf(workspace_id: string, agent_id: string): Promise<string | null>;
  find(ref: SessionRef): Promise<ChatSession | null>;
  /** Where a session is shown; null: nowhere, or there is none. */
  placeOf(ref: SessionRef): Promise<ConversationKey | null>;
}

export interface AgentName {
  id: string;
  name: string;
  /** It takes no new work. */
  paused: boolean;
  /** In which sessions guests may speak to it. */
  guests: GuestSetting;
  description: string | null;
  /** Actor ids. */
  owners: string[];
}

export interface NewSession extends SessionRef {
  agent_id: string;
  conversation_id: string;
  /** Its channel: what one channel floods must not hold up another. */
  lane: string;
  /** At most 80 characters, from the first message; the agent's name where that is nothing but a mention. */
  title: string;
  by: Actor;
}

/** A session as chat sees it. */
export interface ChatSession extends SessionRef {
  /** Null: it has no place in chat (made through the API). */
  conversation_id: string | null;
  agent_id: string;
  agent_name: string;
  /** Actor id of whoever began it in chat; null: it was begun elsewhere. */
  started_by: string | null;
  /** It takes messages: neither archived nor terminated. */
  open: boolean;
}
