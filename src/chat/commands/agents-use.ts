import { forbidden, may } from '../roles.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { onAgent } from './find-agent.ts';

export const useAgent: Command = {
  name: 'use',
  args: '<name>',
  summary: 'let it answer in this channel when nobody else is named',
  run: onAgent('see agents', async (deps, { workspace_id, conversation, actor_id, role }, { agent }) => {
    if (!may('set up a channel', role)) return refuse(forbidden('set up a channel'));
    const { agent_id } = await deps.channels.of(workspace_id, conversation);
    await deps.channels.change(workspace_id, conversation, { agent_id: agent._id, set_by: actor_id });
    // Somebody chose that one: it is not to go without a word.
    const before = (await deps.directory.agents(workspace_id)).find(({ id }) => id === agent_id && id !== agent._id);
    const instead = before === undefined ? '' : ` instead of **${plain(before.name)}**`;
    return answer(
      `From now on **${plain(agent.config.name)}** answers here${instead}. Conversations that have begun stay with theirs.`,
    );
  }),
};
