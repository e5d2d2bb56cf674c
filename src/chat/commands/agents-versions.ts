import type { AgentConfig } from '../../resources/agent-config.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { onAgent } from './find-agent.ts';
import { LOOKED_AT, pageOf } from './pages.ts';
import { moment } from './words.ts';

const SHOWN = 20;

export const listVersions: Command = {
  name: 'versions',
  args: '<name> [page]',
  summary: 'what it was before',
  run: onAgent('see how an agent is made', async (deps, { workspace_id }, { agent, rest }) => {
    const { items, next_page } = await deps.agents.listVersions(workspace_id, agent._id, { limit: LOOKED_AT });
    const { name } = agent.config;
    const found = { items, more: next_page !== null };
    const page = pageOf(found, { word: rest, size: SHOWN, command: `/agents versions ${name}` });
    if (typeof page === 'string') return refuse(page);
    const lines = page.items.map((one) => {
      const earlier = items[items.indexOf(one) + 1];
      const changed = earlier === undefined ? [] : differences(earlier.config, one.config);
      const what = changed.length === 0 ? '' : `: ${changed.join(', ')}`;
      return `- ${one.version} · ${moment(one.updated_at)}${one === items[0] ? ' · now' : ''}${what}`;
    });
    const ways = [`\`/agents rollback ${name} <version>\` goes back to one.`, page.rest];
    return answer(
      `**Versions of ${plain(name)}**${page.place}\n${lines.join('\n')}\n\n${ways.filter((line) => line !== '').join(' ')}`,
    );
  }),
};

export const rollBack: Command = {
  name: 'rollback',
  args: '<name> <version>',
  summary: 'make it again what it was; who owns it and who approves stays',
  run: onAgent('change an agent', async (deps, { workspace_id }, { agent, rest }) => {
    const { name } = agent.config;
    if (!/^v?\d{1,9}$/.test(rest))
      return refuse(`Say which version, as in \`/agents rollback ${name} ${Math.max(1, agent.version - 1)}\`.`);
    const version = Number(rest.replace('v', ''));
    if (version < 1 || version > agent.version) {
      return refuse(
        `**${plain(name)}** has the versions 1 to ${agent.version}; \`/agents versions ${name}\` lists them.`,
      );
    }
    const { config } = await deps.agents.get(workspace_id, agent._id, version);
    const { description, model, system, skills, mcp_servers, tools } = config;
    // Its name and metadata stay: an old version must not bring back owners who left, or undo a pause.
    const params = { description, model, system, skills, mcp_servers, tools };
    const updated = await deps.agents.update(
      workspace_id,
      agent._id,
      params as Parameters<typeof deps.agents.update>[2],
    );
    return answer(`**${plain(name)}** is as it was in version ${version}; that is version ${updated.version} now.`);
  }),
};

function differences(before: AgentConfig, after: AgentConfig): string[] {
  const words: Array<[keyof AgentConfig, string]> = [
    ['name', 'name'],
    ['description', 'description'],
    ['model', 'model'],
    ['system', 'instructions'],
    ['tools', 'tools'],
    ['mcp_servers', 'MCP servers'],
    ['skills', 'skills'],
    ['metadata', 'settings'],
  ];
  return words.filter(([key]) => JSON.stringify(before[key]) !== JSON.stringify(after[key])).map(([, word]) => word);
}
