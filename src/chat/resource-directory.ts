import { ConflictError, NotFoundError } from '../errors.ts';
import type { Agents } from '../resources/agents.ts';
import type { Defaults } from '../resources/defaults.ts';
import type { SessionDocument } from '../resources/session-document.ts';
import type { Sessions } from '../resources/sessions.ts';
import type { SessionRef } from '../session/log.ts';
import type { ConversationStore } from './conversation-store.ts';

import type { AgentName, SessionDirectory } from './session-directory.ts';
import type { Target } from './show-session.ts';

export interface ResourceDirectoryDeps {
  agents: Pick<Agents, 'list'>;
  sessions: Pick<Sessions, 'create' | 'getSession'>;
  conversations: Pick<ConversationStore, 'find'>;
  defaults: Defaults;
}

/** Most agents one page of a list holds; a workspace with more names them by pages. */
const PAGE = 100;

/** Agents and sessions as chat sees them, and where a session is shown. */
export function createResourceDirectory(
  deps: ResourceDirectoryDeps,
): SessionDirectory & { findTarget(ref: SessionRef): Promise<Target | null> } {
  const { defaults } = deps;

  async function load(ref: SessionRef): Promise<SessionDocument | null> {
    try {
      return await deps.sessions.getSession(ref);
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }

  return {
    // Installations of their own for each workspace come later; until then everybody is in the one there is.
    workspaceOf: async () => defaults.workspace_id,

    async agents(workspace_id) {
      const found: AgentName[] = [];
      for (let page: string | null | undefined; page !== null; ) {
        const next = await deps.agents.list(workspace_id, { limit: PAGE, ...(page === undefined ? {} : { page }) });
        found.push(...next.items.map((agent) => ({ id: agent._id, name: agent.config.name })));
        page = next.next_page;
      }
      const first = found.filter((agent) => agent.id === defaults.agent_id);
      return [...first, ...found.filter((agent) => agent.id !== defaults.agent_id)];
    },

    async create(session) {
      const { session_id, conversation_id, lane, by } = session;
      try {
        await deps.sessions.create(
          session.workspace_id,
          { agent: session.agent_id, environment_id: defaults.environment_id, title: session.title },
          { id: session_id, conversation_id, lane, by },
        );
      } catch (error) {
        // Another first message made it.
        if (!(error instanceof ConflictError)) throw error;
      }
    },

    async find(ref) {
      const session = await load(ref);
      if (session === null) return null;
      return {
        ...ref,
        conversation_id: session.conversation_id ?? null,
        agent_name: session.agent.name,
        open: session.archived_at === null && session.log.status !== 'terminated',
      };
    },

    async findTarget(ref) {
      const session = await load(ref);
      if (session?.conversation_id === undefined) return null;
      const conversation = await deps.conversations.find(session.conversation_id);
      if (conversation === null) return null;
      const { connector, tenant, channel, thread } = conversation;
      return {
        conversation: { connector, tenant, channel, thread },
        agent_name: session.agent.name,
        title: session.title,
        ended: session.archived_at !== null,
      };
    },
  };
}
