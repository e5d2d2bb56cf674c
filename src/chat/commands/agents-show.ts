import { NotFoundError } from '../../errors.ts';
import { agentSettingsOf } from '../../resources/agent-settings.ts';
import { approvalPolicyOf, ownersOf } from '../../resources/approval-policy.ts';
import { namesOf } from '../names.ts';
import { channelsInWords } from './agent-channels.ts';
import { GUEST_WORDS } from './agent-form.ts';
import { approvalLines, namedBy } from './approval-fields.ts';
import { answer, type Command, type CommandDeps, plain, plainName } from './command.ts';
import { onAgent } from './find-agent.ts';
import { otherToolLines, TOOLS, toolSetting } from './tool-settings.ts';
import { usd } from './words.ts';

/** Characters of instructions; the rest is counted. */
const INSTRUCTIONS = 1_500;

export const showAgent: Command = {
  name: 'show',
  args: '<name>',
  summary: 'how an agent is made and who owns it',
  run: onAgent('see how an agent is made', async (deps, request, { agent }) => {
    const { workspace_id, conversation } = request;
    const { config } = agent;
    const { paused, environment_id, budget_cents, guests } = agentSettingsOf(config);
    const owners = ownersOf(config);
    const approvers = approvalPolicyOf(config).approvers.filter((id) => !owners.includes(id));
    const channels = await channelsInWords(deps, request, agent._id);
    const nameOf = await namesOf(deps.connectors, namedBy(config), conversation);
    const named = (ids: readonly string[]) => ids.map((id) => plainName(nameOf(id))).join(', ');
    const tools = TOOLS.map((tool) => `${tool}: ${toolSetting(config.tools, tool)}`);
    const system = config.system ?? 'none';
    const shown =
      system.length <= INSTRUCTIONS
        ? system
        : `${system.slice(0, INSTRUCTIONS)}… (${system.length - INSTRUCTIONS} more characters)`;
    const lines = [
      `**${plain(config.name)}** · version ${agent.version}${paused ? ' · paused' : ''}${channels.here ? ' · answers here' : ''}`,
      config.description === null ? null : plain(config.description),
      `- Model: \`${config.model.id}\``,
      `- Tools: ${tools.join(', ')}`,
      ...otherToolLines(config),
      `- Owners: ${named(owners) || 'none: only admins can change it'}`,
      `- Approvers: ${named([...owners, ...approvers]) || 'members in the conversation'}`,
      ...approvalLines(config, named),
      `- Environment: ${await environmentInWords(deps, workspace_id, environment_id)}`,
      `- Channels that it answers by default: ${channels.words}`,
      `- Budget of a session: ${budget_cents === null ? 'none' : usd(budget_cents)}`,
      `- Guests speak to it: ${GUEST_WORDS[guests].toLowerCase()}`,
      '',
      shown.replace(/^/gm, '> '),
    ];
    return answer(lines.filter((line) => line !== null).join('\n'));
  }),
};

async function environmentInWords(deps: CommandDeps, workspace_id: string, id: string | null): Promise<string> {
  if (id === null) return 'the default one';
  try {
    const { name, archived_at } = await deps.environments.get(workspace_id, id);
    return archived_at === null ? plain(name) : `${plain(name)}, which is archived: no session begins there`;
  } catch (error) {
    if (error instanceof NotFoundError) return `\`${id}\`, which is gone: no session begins there`;
    throw error;
  }
}
