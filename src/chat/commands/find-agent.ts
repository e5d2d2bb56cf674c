import type { AgentDocument } from '../../resources/agents.ts';
import { ownersOf } from '../../resources/approval-policy.ts';
import { agentAtStart } from '../agent-names.ts';
import { namesOf } from '../names.ts';
import { type Action, forbidden, may } from '../roles.ts';
import { type CommandDeps, type CommandReply, type CommandRequest, plain, refuse } from './command.ts';
import { nearest } from './parse-command.ts';

/** An agent that somebody named, and what they said after its name. */
interface Found {
  agent: AgentDocument;
  rest: string;
}

async function findAgent(deps: CommandDeps, request: CommandRequest): Promise<Found | { refusal: string }> {
  const { workspace_id, args } = request;
  const agents = await deps.directory.agents(workspace_id);
  const names = agents.map(({ name }) => name);
  const there = `There is: ${names.map(plain).join(', ') || 'none yet; `/agents new` makes one'}.`;
  if (args === '') return { refusal: `Say which agent. ${there}` };
  const found = agentAtStart(agents, args.replace(/^@/, ''), /^(\s|$)/);
  if (found !== null) return { agent: await deps.agents.get(workspace_id, found.agent.id), rest: found.rest.trim() };
  const near = nearest(args, names) ?? nearest(args.split(/\s/)[0] ?? '', names);
  const meant = near === null ? '' : ` Did you mean **${plain(near)}**?`;
  return { refusal: `There is no agent named ${plain(args)}.${meant} ${there}` };
}

/**
 * A command about one agent, by somebody who may do this with it.
 * @param takes what stands behind its name: by default nothing may, and whoever says more is told so before it is done
 */
export function onAgent(
  action: Action,
  run: (deps: CommandDeps, request: CommandRequest, found: Found) => Promise<CommandReply>,
  takes: 'name' | 'more' = 'name',
) {
  return async (deps: CommandDeps, request: CommandRequest): Promise<CommandReply> => {
    const found = await findAgent(deps, request);
    if ('refusal' in found) return refuse(found.refusal);
    if (takes === 'name' && found.rest !== '') return notUnderstood(found);
    const owners = ownersOf(found.agent.config);
    if (may(action, request.role, { owner: owners.includes(request.actor_id) })) return run(deps, request, found);
    const nameOf = await namesOf(deps.connectors, owners, request.conversation);
    return refuse(
      forbidden(
        action,
        owners.map((id) => plain(nameOf(id))),
      ),
    );
  };
}

/** Of words behind an agent's name where none belong. */
export function notUnderstood({ agent, rest }: Found): CommandReply {
  const name = plain(agent.config.name);
  return refuse(`Say the name alone: what stands behind **${name}** (${plain(rest)}) is not understood.`);
}
