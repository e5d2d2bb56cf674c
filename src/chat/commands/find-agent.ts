import type { AgentDocument } from '../../resources/agents.ts';
import { ownersOf } from '../../resources/approval-policy.ts';
import { agentAtStart } from '../agent-names.ts';
import { namesOf } from '../names.ts';
import { type Action, forbidden, may } from '../roles.ts';
import type { AgentName } from '../session-directory.ts';
import { type CommandDeps, type CommandReply, type CommandRequest, plain, refuse } from './command.ts';
import { nearest } from './parse-command.ts';

/** An agent that somebody named, and what they said after its name. */
export interface Found {
  agent: AgentDocument;
  rest: string;
  /** What a command calls it, so that no other is meant: its name, or its id where others have that name too. */
  called: string;
}

/** All who have this agent's name, itself among them. A name that is taken is refused in chat; the API takes any. */
function namedLike<A extends Pick<AgentName, 'name'>>({ name }: A, agents: readonly A[]): A[] {
  return agents.filter((one) => one.name.toLowerCase() === name.toLowerCase());
}

async function whichOf(
  deps: CommandDeps,
  { conversation }: CommandRequest,
  doubles: readonly AgentName[],
): Promise<string> {
  const nameOf = await namesOf(
    deps.connectors,
    doubles.flatMap(({ owners }) => owners),
    conversation,
  );
  const each = doubles.map(({ id, owners }) => {
    const theirs = owners.length === 0 ? '' : ` (owned by ${owners.map((owner) => plain(nameOf(owner))).join(', ')})`;
    return `\`${id}\`${theirs}`;
  });
  const count = doubles.length === 2 ? 'two' : doubles.length;
  return `There are ${count} agents named ${plain(doubles[0]?.name ?? '')}. Say which by its id: ${each.join(', ')}.`;
}

async function findAgent(deps: CommandDeps, request: CommandRequest): Promise<Found | { refusal: string }> {
  const { workspace_id, args } = request;
  const agents = await deps.directory.agents(workspace_id);
  const names = agents.map(({ name }) => name);
  const there = `There is: ${names.map(plain).join(', ') || 'none yet; `/agents new` makes one'}.`;
  if (args === '') return { refusal: `Say which agent. ${there}` };
  const found = agentAtStart(agents, args.replace(/^@/, ''), /^(\s|$)/);
  if (found !== null) {
    const { id } = found.agent;
    const doubles = namedLike(found.agent, agents);
    const isById = args.replace(/^@/, '').toLowerCase().startsWith(id.toLowerCase());
    if (doubles.length > 1 && !isById) return { refusal: await whichOf(deps, request, doubles) };
    const called = doubles.length > 1 ? id : found.agent.name;
    return { agent: await deps.agents.get(workspace_id, id), rest: found.rest.trim(), called };
  }
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
export function notUnderstood({ agent, rest }: Pick<Found, 'agent' | 'rest'>): CommandReply {
  const name = plain(agent.config.name);
  return refuse(`Say the name alone: what stands behind **${name}** (${plain(rest)}) is not understood.`);
}
