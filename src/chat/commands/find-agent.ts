import type { AgentDocument } from '../../resources/agents.ts';
import { ownersOf } from '../../resources/approval-policy.ts';
import { namesOf } from '../names.ts';
import { type Action, forbidden, may } from '../roles.ts';
import type { AgentName } from '../session-directory.ts';
import { type CommandDeps, type CommandReply, type CommandRequest, plain, refuse } from './command.ts';
import { nearest } from './parse-command.ts';

/** An agent that somebody named, and what they said after its name. */
interface Found {
  agent: AgentDocument;
  rest: string;
}

/** Names may hold spaces: the longest one that the words begin with is meant. */
function named(agents: readonly AgentName[], words: string): { id: string; rest: string } | null {
  const said = words.replace(/^@/, '');
  const choices = agents
    .flatMap(({ id, name }) => [
      { id, word: name },
      { id, word: id },
    ])
    .toSorted((a, b) => b.word.length - a.word.length);
  for (const { id, word } of choices) {
    const rest = said.slice(word.length);
    if (said.slice(0, word.length).toLowerCase() === word.toLowerCase() && /^(\s|$)/.test(rest)) {
      return { id, rest: rest.trim() };
    }
  }
  return null;
}

async function findAgent(deps: CommandDeps, request: CommandRequest): Promise<Found | { refusal: string }> {
  const { workspace_id, args } = request;
  const agents = await deps.directory.agents(workspace_id);
  const names = agents.map(({ name }) => name);
  const there = `There is: ${names.map(plain).join(', ') || 'none yet; `/agents new` makes one'}.`;
  if (args === '') return { refusal: `Say which agent. ${there}` };
  const found = named(agents, args);
  if (found !== null) return { agent: await deps.agents.get(workspace_id, found.id), rest: found.rest };
  const near = nearest(args, names) ?? nearest(args.split(/\s/)[0] ?? '', names);
  const meant = near === null ? '' : ` Did you mean **${plain(near)}**?`;
  return { refusal: `There is no agent named ${plain(args)}.${meant} ${there}` };
}

/** A command about one agent, by somebody who may do this with it. */
export function onAgent(
  action: Action,
  run: (deps: CommandDeps, request: CommandRequest, found: Found) => Promise<CommandReply>,
) {
  return async (deps: CommandDeps, request: CommandRequest): Promise<CommandReply> => {
    const found = await findAgent(deps, request);
    if ('refusal' in found) return refuse(found.refusal);
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
