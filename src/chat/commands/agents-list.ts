import { answer, type Command, plain } from './command.ts';

export const listAgents: Command = {
  name: 'list',
  args: '',
  summary: 'who there is, and who answers here',
  async run(deps, { workspace_id, conversation }) {
    const agents = await deps.directory.agents(workspace_id);
    if (agents.length === 0) return answer('There is no agent yet. `/agents new` makes one.');
    const { agent_id } = await deps.channels.of(workspace_id, conversation);
    const here = agents.find(({ id }) => id === agent_id)?.id ?? agents[0]?.id;
    const names = agents.map(({ name }) => name.toLowerCase());
    const doubles = new Set(names.filter((name, n) => names.indexOf(name) !== n));
    const lines = agents.map(({ id, name, paused }) => {
      const notes = [id === here ? 'answers here' : null, paused ? 'paused' : null].filter((note) => note !== null);
      const which = doubles.has(name.toLowerCase()) ? ` \`${id}\`` : '';
      return `- **${plain(name)}**${which}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`;
    });
    return answer(
      `**Agents**\n${lines.join('\n')}\n\n\`/agents show <name>\` says how one is made, \`/agents new\` makes another.`,
    );
  },
};
