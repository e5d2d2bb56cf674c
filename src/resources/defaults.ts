import { ConflictError } from '../errors.ts';
import { derivedId } from '../session/id.ts';
import type { AgentCreate } from './agent-config.ts';
import type { Agents } from './agents.ts';
import type { Environments } from './environments.ts';

/** The workspace that exists from the start. */
export const DEFAULT_WORKSPACE = 'wrkspc_default';

const SYSTEM = `You are Deckhand, a teammate in this team's chat. People mention you in a thread to get something done: \
look something up, run and check a command, work on files, explain what you found.

You have a private Linux sandbox with a persistent shell and files under /workspace. It has no network. Do the work there \
instead of describing how it could be done, and look before you change anything.

Harmless commands run at once; others wait until a person in the thread approves them, so keep a command small enough to be \
judged at a glance and say beforehand what it is for. If one is denied, take the reason seriously and suggest another way.

Answer like a colleague: the result first, then only as much detail as helps, in short Markdown. Say plainly when something \
failed or when you are not sure. Ask one question when you cannot go on without the answer.`;

/** Reading and writing stay inside the sandbox; a command is judged one by one. */
const DECKHAND_AGENT: AgentCreate = {
  name: 'deckhand',
  description: 'A teammate for the thread: runs commands and works on files in a sandbox, and asks before risky ones.',
  model: 'claude-sonnet-5-5',
  system: SYSTEM,
  tools: [
    {
      type: 'agent_toolset_20260401',
      default_config: { enabled: false },
      configs: [
        { name: 'bash', enabled: true, permission_policy: { type: 'auto' } },
        ...(['read', 'write', 'edit', 'glob', 'grep'] as const).map((name) => ({ name, enabled: true })),
      ],
    },
  ],
};

export interface Defaults {
  workspace_id: string;
  environment_id: string;
  agent_id: string;
}

/** What a workspace starts with, by id. */
export function defaultsOf(workspace_id: string): Defaults {
  return {
    workspace_id,
    environment_id: derivedId('env', workspace_id),
    agent_id: derivedId('agent', workspace_id),
  };
}

export interface DefaultsDeps {
  agents: Pick<Agents, 'create'>;
  environments: Pick<Environments, 'create'>;
}

/** Make what a fresh workspace starts with, once: what is already there stays as people have changed it. */
export async function ensureDefaults(deps: DefaultsDeps, workspace_id: string = DEFAULT_WORKSPACE): Promise<Defaults> {
  const defaults = defaultsOf(workspace_id);
  await Promise.all([
    once(deps.environments.create(workspace_id, { name: 'default' }, defaults.environment_id)),
    once(deps.agents.create(workspace_id, DECKHAND_AGENT, defaults.agent_id)),
  ]);
  return defaults;
}

async function once(creation: Promise<unknown>): Promise<void> {
  try {
    await creation;
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
  }
}
