import { forbidden, may } from '../roles.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { onAgent } from './find-agent.ts';

export const useAgent: Command = {
  name: 'use',
  args: '<name>',
  summary: 'let it answer in this channel when nobody else is named',
  run: onAgent('see agents', async (deps, { workspace_id, conversation, actor_id, role }, { agent }) => {
    if (!may('set up a channel', role)) return refuse(forbidden('set up a channel'));
    await deps.channels.change(workspace_id, conversation, { agent_id: agent._id, set_by: actor_id });
    return answer(
      `From now on **${plain(agent.config.name)}** answers here. Conversations that have begun stay with theirs.`,
    );
  }),
};
