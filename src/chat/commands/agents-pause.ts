import { answer, type Command, plain } from './command.ts';
import { onAgent } from './find-agent.ts';

export const pauseAgent: Command = {
  name: 'pause',
  args: '<name>',
  summary: 'let it take no new work; what runs goes on and may be steered',
  run: onAgent('change an agent', async (deps, { workspace_id }, { agent }) => {
    await deps.agents.update(workspace_id, agent._id, { metadata: { deckhand_paused: 'true' } });
    const { name } = agent.config;
    return answer(
      `**${plain(name)}** takes no new work now; what runs goes on. \`/agents resume ${name}\` lets it go on.`,
    );
  }),
};

export const resumeAgent: Command = {
  name: 'resume',
  args: '<name>',
  summary: 'let it take work again',
  run: onAgent('change an agent', async (deps, { workspace_id }, { agent }) => {
    await deps.agents.update(workspace_id, agent._id, { metadata: { deckhand_paused: null } });
    return answer(`**${plain(agent.config.name)}** takes work again.`);
  }),
};
