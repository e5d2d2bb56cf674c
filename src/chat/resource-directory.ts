import { ConflictError, InvalidInputError, messageOf, NotFoundError } from '../errors.ts';
import { agentSettingsOf } from '../resources/agent-settings.ts';
import type { Agents } from '../resources/agents.ts';
import { ownersOf } from '../resources/approval-policy.ts';
import { defaultsOf } from '../resources/defaults.ts';
import type { SessionCreate } from '../resources/session-config.ts';
import type { SessionDocument } from '../resources/session-document.ts';
import type { Sessions } from '../resources/sessions.ts';
import type { SessionRef } from '../session/log.ts';
import type { ConversationStore } from './conversation-store.ts';
import { createLots, PER_EVENT } from './lots.ts';

import type { AgentName, SessionDirectory } from './session-directory.ts';
import type { Target } from './show-session.ts';

export interface ResourceDirectoryDeps {
  agents: Pick<Agents, 'get' | 'list'>;
  sessions: Pick<Sessions, 'check' | 'create' | 'getSession'>;
  conversations: Pick<ConversationStore, 'find'>;
  /** The workspace of a platform's tenant. */
  workspaceOf: SessionDirectory['workspaceOf'];
}

/** Most agents one page of a list holds; a workspace with more names them by pages. */
const PAGE = 100;

/** Agents and sessions as chat sees them, and where a session is shown. */
export function createResourceDirectory(
  deps: ResourceDirectoryDeps,
): SessionDirectory & { findTarget(ref: SessionRef): Promise<Target | null> } {
  async function load(ref: SessionRef): Promise<SessionDocument | null> {
    try {
      return await deps.sessions.getSession(ref);
    } catch (error) {
      if (error instanceof NotFoundError) return null;
      throw error;
    }
  }

  async function list(workspace_id: string): Promise<AgentName[]> {
    const found: AgentName[] = [];
    for (let page: string | null | undefined; page !== null; ) {
      const next = await deps.agents.list(workspace_id, { limit: PAGE, ...(page === undefined ? {} : { page }) });
      found.push(
        ...next.items.map(({ _id, config }) => {
          const { paused, guests } = agentSettingsOf(config);
          const { name, description } = config;
          return { id: _id, name, paused, guests, description, owners: ownersOf(config) };
        }),
      );
      page = next.next_page;
    }
    const { agent_id } = defaultsOf(workspace_id);
    const first = found.filter((agent) => agent.id === agent_id);
    return [...first, ...found.filter((agent) => agent.id !== agent_id)];
  }

  const listTogether = createLots<string, AgentName[]>(PER_EVENT, async (asked) => {
    const workspaces = [...new Set(asked)];
    const lists = await Promise.all(workspaces.map(list));
    return asked.map((workspace_id) => lists[workspaces.indexOf(workspace_id)] ?? []);
  });

  async function findTarget(ref: SessionRef): Promise<Target | null> {
    const session = await load(ref);
    if (session?.conversation_id === undefined) return null;
    const conversation = await deps.conversations.find(session.conversation_id);
    if (conversation === null) return null;
    const { connector, tenant, channel, thread } = conversation;
    return {
      conversation: { connector, tenant, channel, thread },
      agent_name: session.agent.name,
      title: session.title,
      started_by: session.started_by ?? null,
      ended: session.archived_at !== null,
      ...(session.approval_policy.private_detail === true ? { private_detail: true } : {}),
    };
  }

  async function paramsOf(workspace_id: string, agent_id: string): Promise<SessionCreate> {
    const { config } = await deps.agents.get(workspace_id, agent_id);
    const { environment_id, budget_cents } = agentSettingsOf(config);
    const max_list_cost = { amount: String(budget_cents), currency: 'USD' } as const;
    return {
      agent: agent_id,
      environment_id: environment_id ?? defaultsOf(workspace_id).environment_id,
      ...(budget_cents === null ? {} : { budget: { type: 'limit', max_list_cost } }),
    };
  }

  return {
    workspaceOf: deps.workspaceOf,

    agents: listTogether,

    async create(session) {
      const { workspace_id, session_id, agent_id, conversation_id, lane, title, by } = session;
      return problemOf(async () => {
        const params = { ...(await paramsOf(workspace_id, agent_id)), title };
        await deps.sessions.create(workspace_id, params, { id: session_id, conversation_id, lane, by });
      });
    },

    problemOf: (workspace_id, agent_id) =>
      problemOf(async () => deps.sessions.check(workspace_id, await paramsOf(workspace_id, agent_id))),

    async find(ref) {
      const session = await load(ref);
      if (session === null) return null;
      return {
        ...ref,
        conversation_id: session.conversation_id ?? null,
        agent_id: session.agent.id,
        agent_name: session.agent.name,
        started_by: session.started_by ?? null,
        open: session.archived_at === null && session.log.status !== 'terminated',
      };
    },

    placeOf: async (ref) => (await findTarget(ref))?.conversation ?? null,

    findTarget,
  };
}

/** What making a session came to: null, or why there is none, as a sentence for whoever asked for it. */
async function problemOf(making: () => Promise<void>): Promise<string | null> {
  try {
    await making();
    return null;
  } catch (error) {
    // Another first message made it.
    if (error instanceof ConflictError) return null;
    // Its environment is gone, or its model has no price to keep a budget by.
    if (!(error instanceof InvalidInputError || error instanceof NotFoundError)) throw error;
    return `The agent cannot start: ${messageOf(error)} Whoever owns it can mend that with /agents edit.`;
  }
}
