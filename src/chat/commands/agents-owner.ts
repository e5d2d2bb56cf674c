import { ownersOf } from '../../resources/approval-policy.ts';
import type { Form, FormField } from '../inbound.ts';
import { namesOf } from '../names.ts';
import { formAsText } from './agent-form.ts';
import { answer, type Command, plain } from './command.ts';
import { fieldProblems } from './field-problems.ts';
import { notUnderstood, onAgent } from './find-agent.ts';
import { readAgentForm } from './read-agent-form.ts';
import { isVersion, OVERTAKEN, saveAgent } from './save-agent.ts';

export const setOwner: Command = {
  name: 'owner',
  args: '<name>',
  summary: 'set who owns it, instead of who does now: they may change it and decide what it asks',
  run: onAgent(
    'change an agent',
    async (deps, { workspace_id, conversation, fields }, found) => {
      const { agent, rest } = found;
      if (fields !== null && !isVersion(rest)) return notUnderstood(found);
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
          // With the version that it shows, as in /agents edit.
          text: `owner ${agent._id} ${agent.version}`,
          title: 'Owners of an agent',
          submit: 'Save',
          fields: [field],
        };
        return { ...answer(formAsText(`/agents owner ${found.called}`, [field])), form };
      }
      const listed = owners.replaceAll(/\s+/g, ',');
      const reading = await readAgentForm(deps, workspace_id, agent.config, { owners: listed });
      if ('errors' in reading) return fieldProblems(reading.errors);
      const version = fields === null ? '' : rest;
      if (!(await saveAgent(deps, agent, reading, version))) return fieldProblems({ owners: OVERTAKEN });
      const { config } = reading;
      const now = ownersOf(config);
      const nameOf = await namesOf(deps.connectors, now, conversation);
      return answer(`**${plain(config.name)}** is owned by ${now.map((id) => plain(nameOf(id))).join(', ')} now.`);
    },
    'more',
  ),
};
