import { agentSettingsOf } from '../../resources/agent-settings.ts';
import type { AgentDocument } from '../../resources/agents.ts';
import type { Form } from '../inbound.ts';
import { channelsOf, channelsProblem, setChannels } from './agent-channels.ts';
import { agentFields, formAsText } from './agent-form.ts';
import { answer, type Command, type CommandDeps, type CommandReply, type CommandRequest, plain } from './command.ts';
import { fieldProblems } from './field-problems.ts';
import { type Found, notUnderstood, onAgent } from './find-agent.ts';
import { environmentsBeside, readAgentForm } from './read-agent-form.ts';
import { isVersion, OVERTAKEN, saveAgent } from './save-agent.ts';

export const editAgent: Command = {
  name: 'edit',
  args: '<name>',
  summary: 'change how it is made: model, instructions, tools, who decides what it asks, environment, channels, budget',
  run: onAgent(
    'change an agent',
    async (deps, request, found) => {
      const { agent, rest } = found;
      if (request.fields === null) return rest === '' ? ask(deps, request, found) : notUnderstood(found);
      return isVersion(rest) ? change(deps, request, agent, rest) : notUnderstood(found);
    },
    'more',
  ),
};

async function ask(deps: CommandDeps, request: CommandRequest, { agent, called }: Found): Promise<CommandReply> {
  const chosen = agentSettingsOf(agent.config).environment_id;
  const environments = await environmentsBeside(deps, request.workspace_id, chosen);
  const fields = agentFields(agent.config, environments, await channelsOf(deps, request, agent._id));
  // With the version that the form shows, so that what somebody else changes meanwhile is not undone by it.
  const text = `edit ${agent._id} ${agent.version}`;
  const form: Form = { command: 'agents', text, title: 'Edit agent', submit: 'Save', fields };
  return { ...answer(formAsText(`/agents edit ${called}`, fields)), form };
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
  if (!(await saveAgent(deps, agent, reading, version))) return fieldProblems({ name: OVERTAKEN });
  await setChannels(deps, request, agent._id, fields?.channels);
  return answer(saved);
}
