import { agentSettingsOf } from '../../resources/agent-settings.ts';
import { approvalPolicyOf, ownersOf } from '../../resources/approval-policy.ts';
import { namesOf } from '../names.ts';
import { GUEST_WORDS } from './agent-form.ts';
import { approvalLines, namedBy } from './approval-fields.ts';
import { answer, type Command, plain } from './command.ts';
import { onAgent } from './find-agent.ts';
import { TOOLS, toolSetting } from './tool-settings.ts';
import { usd } from './words.ts';

/** Characters of instructions; the rest is counted. */
const INSTRUCTIONS = 1_500;

export const showAgent: Command = {
  name: 'show',
  args: '<name>',
  summary: 'how an agent is made and who owns it',
  run: onAgent('see how an agent is made', async (deps, { workspace_id, conversation }, { agent }) => {
    const { config } = agent;
    const { paused, environment_id, budget_cents, guests } = agentSettingsOf(config);
    const owners = ownersOf(config);
    const approvers = approvalPolicyOf(config).approvers.filter((id) => !owners.includes(id));
    const channels = await deps.channels.withAgent(workspace_id, agent._id);
    const here = channels.some(({ connector, channel }) => same({ connector, channel }, conversation));
    const nameOf = await namesOf(deps.connectors, namedBy(config), conversation);
    const named = (ids: readonly string[]) => ids.map((id) => plain(nameOf(id))).join(', ');
    const tools = TOOLS.map((tool) => `${tool}: ${toolSetting(config.tools, tool)}`);
    const system = config.system ?? 'none';
    const shown =
      system.length <= INSTRUCTIONS
        ? system
        : `${system.slice(0, INSTRUCTIONS)}… (${system.length - INSTRUCTIONS} more characters)`;
    const lines = [
      `**${plain(config.name)}** · version ${agent.version}${paused ? ' · paused' : ''}${here ? ' · answers here' : ''}`,
      config.description === null ? null : plain(config.description),
      `- Model: \`${config.model.id}\``,
      `- Tools: ${tools.join(', ')}`,
      `- Owners: ${named(owners) || 'none: only admins can change it'}`,
      `- Approvers: ${named([...owners, ...approvers]) || 'members in the conversation'}`,
      ...approvalLines(config, named),
      `- Environment: ${environment_id ?? 'the default one'}`,
      `- Channels that it answers by default: ${channels.length}`,
      `- Budget of a session: ${budget_cents === null ? 'none' : usd(budget_cents)}`,
      `- Guests speak to it: ${GUEST_WORDS[guests].toLowerCase()}`,
      '',
      shown.replace(/^/gm, '> '),
    ];
    return answer(lines.filter((line) => line !== null).join('\n'));
  }),
};

function same(a: { connector: string; channel: string }, b: { connector: string; channel: string }): boolean {
  return a.connector === b.connector && a.channel === b.channel;
}
