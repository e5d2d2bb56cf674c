import { ownersOf } from '../../resources/approval-policy.ts';
import type { Form, FormField } from '../inbound.ts';
import { namesOf } from '../names.ts';
import { formAsText } from './agent-form.ts';
import { answer, type Command, plain } from './command.ts';
import { fieldProblems } from './field-problems.ts';
import { onAgent } from './find-agent.ts';
import { readAgentForm } from './read-agent-form.ts';

export const setOwner: Command = {
  name: 'owner',
  args: '<name>',
  summary: 'who owns it: they may change it and decide what it asks',
  run: onAgent(
    'change an agent',
    async (deps, { workspace_id, conversation, fields }, { agent, rest }) => {
      const owners = fields?.owners ?? (rest === '' ? undefined : rest);
      if (owners === undefined) {
        const field: FormField = {
          kind: 'people',
          name: 'owners',
          label: 'Owners',
          hint: 'They may change the agent and decide what it asks.',
          value: ownersOf(agent.config).join(','),
          optional: false,
        };
        const form: Form = {
          command: 'agents',
          text: `owner ${agent._id}`,
          title: 'Owners of an agent',
          submit: 'Save',
          fields: [field],
        };
        return { ...answer(formAsText(`/agents owner ${agent.config.name}`, [field])), form };
      }
      const listed = owners.replaceAll(/\s+/g, ',');
      const reading = await readAgentForm(deps, workspace_id, agent.config, { owners: listed });
      if ('errors' in reading) return fieldProblems(reading.errors);
      const { config } = await deps.agents.update(workspace_id, agent._id, reading.update);
      const now = ownersOf(config);
      const nameOf = await namesOf(deps.connectors, now, conversation);
      return answer(`**${plain(config.name)}** is owned by ${now.map((id) => plain(nameOf(id))).join(', ')} now.`);
    },
    'more',
  ),
};
