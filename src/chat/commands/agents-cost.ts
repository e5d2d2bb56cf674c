import type { Cost } from '../../resources/costs.ts';
import { forbidden, may } from '../roles.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { counted, usd } from './words.ts';

export const showCost: Command = {
  name: 'cost',
  args: '',
  summary: 'what was spent this month',
  async run(deps, { workspace_id, role, actor_id }) {
    if (!may('see runs and costs', role)) return refuse(forbidden('see runs and costs'));
    const costs = await deps.costs.ofMonth(workspace_id, new Date());
    if (costs.length === 0) return answer('Nothing was spent this month.');
    const agents = new Set(costs.map(({ agent_id }) => agent_id));
    const lines = [...agents]
      .map((id) => costs.filter(({ agent_id }) => agent_id === id))
      .map((list) => ({ name: list[0]?.agent_name ?? '', ...totalOf(list) }))
      .toSorted((a, b) => b.cents - a.cents)
      .map(({ name, cents, sessions }) => `- **${plain(name)}**: ${usd(cents)}, ${counted(sessions, 'session')}`);
    const mine = totalOf(costs.filter(({ started_by }) => started_by === actor_id));
    const all = totalOf(costs);
    return answer(
      `**This month** (since the 1st, UTC, at list price): ${usd(all.cents)}, ${counted(all.sessions, 'session')}\n` +
        `${lines.join('\n')}\n\nYours: ${usd(mine.cents)}, ${counted(mine.sessions, 'session')}.`,
    );
  },
};

/** Their sum. */
export function totalOf(costs: readonly Cost[]): { cents: number; sessions: number } {
  return costs.reduce((sum, one) => ({ cents: sum.cents + one.cents, sessions: sum.sessions + one.sessions }), {
    cents: 0,
    sessions: 0,
  });
}
