import { createHash } from 'node:crypto';
import { ConflictError, NotFoundError } from '../../errors.ts';
import type { AgentDocument } from '../../resources/agents.ts';
import { ownersOf } from '../../resources/approval-policy.ts';
import { derivedId } from '../../session/id.ts';
import type { Form } from '../inbound.ts';
import { forbidden, may } from '../roles.ts';
import { channelsProblem, setChannels } from './agent-channels.ts';
import { agentFields, FRESH, formAsText } from './agent-form.ts';
import {
  answer,
  type Command,
  type CommandDeps,
  type CommandReply,
  type CommandRequest,
  plain,
  refuse,
} from './command.ts';
import { fieldProblems } from './field-problems.ts';
import { environmentsBeside, readAgentForm } from './read-agent-form.ts';
import { listOf } from './words.ts';

export const newAgent: Command = {
  name: 'new',
  args: '[name]',
  summary: 'make an agent that you own',
  async run(deps, request) {
    if (!may('create an agent', request.role)) return refuse(forbidden('create an agent'));
    return request.fields === null ? ask(deps, request) : create(deps, request, request.fields);
  },
};

async function ask(deps: CommandDeps, { workspace_id, args }: CommandRequest): Promise<CommandReply> {
  const environments = await environmentsBeside(deps, workspace_id, null);
  const fields = agentFields({ ...FRESH, name: args }, environments, { own: [], others: 0 });
  const form: Form = { command: 'agents', text: 'new', title: 'New agent', submit: 'Create', fields };
  return { ...answer(formAsText('/agents new', fields)), form };
}

async function create(
  deps: CommandDeps,
  request: CommandRequest,
  fields: NonNullable<CommandRequest['fields']>,
): Promise<CommandReply> {
  const { workspace_id, actor_id, kept, args } = request;
  // The same for every repeat of this command: it makes one agent.
  const id = derivedId('agent', createHash('sha256').update(kept.id.toHexString()).digest('hex').slice(0, 26));
  const made = await existing(deps, workspace_id, id);
  if (made !== null) return done(made);
  const owners = [...new Set([actor_id, ...listOf(fields.owners ?? '')])].join(',');
  const reading = await readAgentForm(deps, workspace_id, FRESH, { name: args, ...fields, owners });
  if ('errors' in reading) return fieldProblems(reading.errors);
  const taken = await channelsProblem(deps, request, null, fields.channels);
  if (taken !== null) return fieldProblems({ channels: taken });
  const { name, metadata, model, system, tools } = reading.config;
  try {
    const params = { name, model: model.id, system, metadata };
    const agent = await deps.agents.create(workspace_id, { ...params, tools: tools as [] }, id);
    await setChannels(deps, request, id, fields.channels);
    return done(agent);
  } catch (error) {
    if (!(error instanceof ConflictError)) throw error;
    return done(await deps.agents.get(workspace_id, id));
  }
}

async function existing(deps: CommandDeps, workspace_id: string, id: string): Promise<AgentDocument | null> {
  try {
    return await deps.agents.get(workspace_id, id);
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}

function done({ config }: AgentDocument): CommandReply {
  const { name } = config;
  const others = ownersOf(config).length > 1 ? ' together with the owners you named' : '';
  return answer(
    `**${plain(name)}** is there, and yours${others}. Begin a message to me with \`${name}:\` to ask it; \`/agents use ${name}\` lets it answer in a channel.`,
  );
}
