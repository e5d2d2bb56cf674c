import type { Cost } from '../../resources/costs.ts';
import { forbidden, may } from '../roles.ts';
import {
  answer,
  type Command,
  type CommandDeps,
  type CommandReply,
  type CommandRequest,
  plain,
  refuse,
} from './command.ts';
import { onAgent } from './find-agent.ts';
import { counted, usd } from './words.ts';

export const showCost: Command = {
  name: 'cost',
  args: '[name]',
  summary: 'what was spent this month, by all agents or by one',
  async run(deps, request) {
    return request.args === '' ? costOfAll(deps, request) : costOfOne(deps, request);
  },
};

const SINCE = 'since the 1st, UTC, at list price';

async function costOfAll(deps: CommandDeps, { workspace_id, role, actor_id }: CommandRequest): Promise<CommandReply> {
  if (!may('see runs and costs', role)) return refuse(forbidden('see runs and costs'));
  const costs = await deps.costs.ofMonth(workspace_id, new Date());
  if (costs.length === 0) return answer('Nothing was spent this month.');
  const agents = new Set(costs.map(({ agent_id }) => agent_id));
  const lines = [...agents]
    .map((id) => costs.filter(({ agent_id }) => agent_id === id))
    .map((list) => ({ name: list[0]?.agent_name ?? '', total: totalOf(list) }))
    .toSorted((a, b) => b.total.cents - a.total.cents)
    .map(({ name, total }) => `- **${plain(name)}**: ${inWords(total)}`);
  return answer(
    `**This month** (${SINCE}): ${inWords(totalOf(costs))}\n${lines.join('\n')}\n\nYours: ${inWords(ofOne(costs, actor_id))}.`,
  );
}

const costOfOne = onAgent('see runs and costs', async (deps, { workspace_id, actor_id }, { agent }) => {
  const all = await deps.costs.ofMonth(workspace_id, new Date());
  const costs = all.filter(({ agent_id }) => agent_id === agent._id);
  const name = plain(agent.config.name);
  if (costs.length === 0) return answer(`**${name}** has spent nothing this month.`);
  return answer(
    `**${name}, this month** (${SINCE}): ${inWords(totalOf(costs))}\n\nYours: ${inWords(ofOne(costs, actor_id))}.`,
  );
});

function ofOne(costs: readonly Cost[], actor_id: string) {
  return totalOf(costs.filter(({ started_by }) => started_by === actor_id));
}

function inWords({ cents, sessions }: ReturnType<typeof totalOf>): string {
  return `${usd(cents)}, ${counted(sessions, 'session')}`;
}

/** Their sum. */
export function totalOf(costs: readonly Cost[]): { cents: number; sessions: number } {
  return costs.reduce((sum, one) => ({ cents: sum.cents + one.cents, sessions: sum.sessions + one.sessions }), {
    cents: 0,
    sessions: 0,
  });
}
