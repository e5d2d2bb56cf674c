import { isDeepStrictEqual } from 'node:util';
import { ConflictError } from '../../errors.ts';
import type { AgentConfig } from '../../resources/agent-config.ts';
import type { AgentDocument } from '../../resources/agents.ts';
import { APPROVAL_SETTINGS } from '../../resources/approval-policy.ts';
import { answer, type Command, type CommandDeps, plain, refuse } from './command.ts';
import { onAgent } from './find-agent.ts';
import { LOOKED_AT, pageOf } from './pages.ts';
import { environmentProblem } from './read-agent-form.ts';
import { moment } from './words.ts';

const SHOWN = 20;

export const listVersions: Command = {
  name: 'versions',
  args: '<name> [page]',
  summary: 'what it was before',
  run: onAgent(
    'see how an agent is made',
    async (deps, { workspace_id }, { agent, rest }) => {
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
    },
    'more',
  ),
};

export const rollBack: Command = {
  name: 'rollback',
  args: '<name> <version>',
  summary: 'make it again what it was; who owns it, what approvals need and a pause stay',
  run: onAgent(
    'change an agent',
    async (deps, { workspace_id }, { agent, rest }) => {
      const { name } = agent.config;
      if (!/^v?\d{1,9}$/.test(rest))
        return refuse(`Say which version, as in \`/agents rollback ${name} ${Math.max(1, agent.version - 1)}\`.`);
      const version = Number(rest.replace('v', ''));
      if (version < 1 || version > agent.version) {
        return refuse(
          `**${plain(name)}** has the versions 1 to ${agent.version}; \`/agents versions ${name}\` lists them.`,
        );
      }
      const { config: then } = await deps.agents.get(workspace_id, agent._id, version);
      const updated = await goBack(deps, workspace_id, agent, then);
      if (updated === null)
        return refuse(`Somebody else changed **${plain(name)}** meanwhile. Look again, and say it again.`);
      const back = differences(agent.config, updated.config);
      const stays = differences(then, updated.config);
      const kept = stays.length === 0 ? '' : ` What stays as it is now: ${stays.join(', ')}.`;
      const now = `that is version ${updated.version} now.${kept}`;
      // Also for a repeat of what was done.
      if (back.length === 0)
        return answer(`**${plain(name)}** has nothing left to go back to in version ${version}; ${now}`);
      return answer(`**${plain(name)}** went back to version ${version} in its ${back.join(', ')}; ${now}`);
    },
    'more',
  ),
};

/** Settings that an old version must not bring back: owners who left, approvals with less care, the end of a pause. */
const STAYING = [...APPROVAL_SETTINGS, 'deckhand_paused'];

/** Null: somebody else changed it meanwhile, which is not undone with it. */
async function goBack(
  deps: CommandDeps,
  workspace_id: string,
  { _id, version, config: now }: AgentDocument,
  then: AgentConfig,
): Promise<AgentDocument | null> {
  const { description, model, system, skills, mcp_servers, tools } = then;
  const keys = [...Object.keys(now.metadata), ...Object.keys(then.metadata)].filter((key) => !STAYING.includes(key));
  const metadata = Object.fromEntries(keys.map((key) => [key, then.metadata[key] ?? null]));
  const { deckhand_environment: environment } = metadata;
  // One that is gone since would begin no session.
  if (typeof environment === 'string' && (await environmentProblem(deps, workspace_id, environment)) !== null) {
    delete metadata['deckhand_environment'];
  }
  // An effort that is left out would stay as it is.
  const whole = { ...model, effort: model.effort ?? null };
  const params = { description, model: whole, system, skills, mcp_servers, tools, metadata, version };
  try {
    return await deps.agents.update(workspace_id, _id, params as Parameters<typeof deps.agents.update>[2]);
  } catch (error) {
    if (error instanceof ConflictError) return null;
    throw error;
  }
}

/** What of an agent differs, in words. */
function differences(before: AgentConfig, after: AgentConfig): string[] {
  const words: Array<[keyof AgentConfig, string]> = [
    ['name', 'name'],
    ['description', 'description'],
    ['model', 'model'],
    ['system', 'instructions'],
    ['tools', 'tools'],
    ['mcp_servers', 'MCP servers'],
    ['skills', 'skills'],
  ];
  const made = words.filter(([key]) => !isDeepStrictEqual(before[key], after[key])).map(([, word]) => word);
  const keys = [...Object.keys(before.metadata), ...Object.keys(after.metadata)];
  const set = keys.filter((key) => before.metadata[key] !== after.metadata[key]).map(settingInWords);
  return [...made, ...[...new Set(set)].toSorted()];
}

const SETTINGS_IN_WORDS: Readonly<Record<string, string>> = {
  deckhand_owners: 'owners',
  deckhand_paused: 'pause',
  deckhand_environment: 'environment',
  deckhand_budget: 'budget',
  deckhand_guests: 'guests',
};

function settingInWords(key: string): string {
  return SETTINGS_IN_WORDS[key] ?? (APPROVAL_SETTINGS.includes(key) ? 'approvals' : 'metadata');
}
