import { isDeepStrictEqual } from 'node:util';
import { agentSettingsOf } from '../../resources/agent-settings.ts';
import type { AgentDocument } from '../../resources/agents.ts';
import type { Form } from '../inbound.ts';
import { channelsOf, channelsProblem, setChannels } from './agent-channels.ts';
import { agentFields, formAsText } from './agent-form.ts';
import { answer, type Command, type CommandDeps, type CommandReply, type CommandRequest, plain } from './command.ts';
import { fieldProblems } from './field-problems.ts';
import { onAgent } from './find-agent.ts';
import { environmentsBeside, readAgentForm } from './read-agent-form.ts';

export const editAgent: Command = {
  name: 'edit',
  args: '<name>',
  summary: 'change how it is made: model, instructions, tools, who decides what it asks, environment, channels, budget',
  run: onAgent(
    'change an agent',
    async (deps, request, { agent, rest }) =>
      request.fields === null ? ask(deps, request, agent) : change(deps, request, agent, rest),
    'more',
  ),
};

async function ask(deps: CommandDeps, request: CommandRequest, agent: AgentDocument): Promise<CommandReply> {
  const chosen = agentSettingsOf(agent.config).environment_id;
  const environments = await environmentsBeside(deps, request.workspace_id, chosen);
  const fields = agentFields(agent.config, environments, await channelsOf(deps, request, agent._id));
  // With the version that the form shows, so that what somebody else changes meanwhile is not undone by it.
  const text = `edit ${agent._id} ${agent.version}`;
  const form: Form = { command: 'agents', text, title: 'Edit agent', submit: 'Save', fields };
  return { ...answer(formAsText(`/agents edit ${agent.config.name}`, fields)), form };
}

async function change(
  deps: CommandDeps,
  request: CommandRequest,
  agent: AgentDocument,
  version: string,
): Promise<CommandReply> {
  const { workspace_id, fields } = request;
  const reading = await readAgentForm(deps, workspace_id, agent.config, fields ?? {});
  if ('errors' in reading) return fieldProblems(reading.errors);
  const taken = await channelsProblem(deps, request, agent._id, fields?.channels);
  if (taken !== null) return fieldProblems({ channels: taken });
  const saved = `**${plain(reading.config.name)}** is saved. Sessions that run keep what they began with.`;
  // A repeat finds what it wanted.
  if (!isDeepStrictEqual(reading.config, agent.config)) {
    if (version !== '' && version !== String(agent.version)) {
      return fieldProblems({ name: 'Somebody else changed this agent meanwhile. Close this and open it again.' });
    }
    await deps.agents.update(workspace_id, agent._id, reading.update);
  }
  await setChannels(deps, request, agent._id, fields?.channels);
  return answer(saved);
}
