import { answer, type Command, plain, refuse } from './command.ts';
import { onAgent } from './find-agent.ts';

export const archiveAgent: Command = {
  name: 'archive',
  args: '<name>',
  summary: 'take it away for good; sessions that run end in peace',
  run: onAgent(
    'change an agent',
    async (deps, { workspace_id }, { agent, rest, called }) => {
      const { name } = agent.config;
      if (rest !== 'for good') {
        return refuse(
          `That cannot be undone. If **${plain(name)}** shall go: \`/agents archive ${called} for good\`. To stop new work only: \`/agents pause ${called}\`.`,
        );
      }
      await deps.agents.archive(workspace_id, agent._id);
      return answer(`**${plain(name)}** is archived. Its versions and sessions can still be read in the API.`);
    },
    'more',
  ),
};
