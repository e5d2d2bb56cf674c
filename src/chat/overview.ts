import { totalOf } from './commands/agents-cost.ts';
import type { CommandDeps } from './commands/command.ts';
import { isActive, stateOf } from './commands/words.ts';
import type { Connector } from './connector.ts';
import { countsAsGuest } from './guests.ts';
import type { Overview } from './inbound.ts';
import { type LookDeps, waitingFor } from './look-at-approvals.ts';
import type { ConversationKey, Person } from './place.ts';
import { actorIdOf, may } from './roles.ts';

export interface OverviewDeps extends LookDeps, Pick<CommandDeps, 'sessions' | 'costs'> {
  roles: CommandDeps['roles'];
  directory: CommandDeps['directory'];
  connectors: ReadonlyMap<
    string,
    Pick<Connector, 'closed_conversations' | 'nameOf' | 'isDirect' | 'isGuest' | 'groups' | 'linkTo'>
  >;
}

/** Most of one kind that is shown. */
const SHOWN = 10;
/** Pending approvals of the workspace, the oldest, among which theirs are looked for: this is drawn often. `/approvals` looks at all. */
const LOOKED_AT = 500;
/** Most that run for one person and are counted, the latest. */
const RUNNING = 100;

/** What one person has to do with here: their agents, what runs for them, what waits for them, what this month has cost. */
export async function overviewOf(
  deps: OverviewDeps,
  place: { connector: string; tenant: string },
  person: Person,
): Promise<Overview> {
  const workspace_id = await deps.directory.workspaceOf(place.connector, place.tenant);
  const connector = deps.connectors.get(place.connector);
  const actor_id = actorIdOf(place.connector, person);
  const guest = await countsAsGuest(connector, person, place.tenant);
  const role = await deps.roles.roleOf(workspace_id, { actor_id, guest });
  const [agents, sessions, waiting, costs] = await Promise.all([
    ownAgents(deps, workspace_id, actor_id),
    deps.sessions.list(workspace_id, { started_by: actor_id, active: true, limit: RUNNING }),
    waitingFor(deps, { conversation: { ...place, channel: person.id, thread: person.id }, person }, 0, LOOKED_AT),
    deps.costs.ofMonth(workspace_id, new Date()),
  ]);
  const linkTo = (where: ConversationKey) => deps.connectors.get(where.connector)?.linkTo?.(where) ?? null;
  const link = async (session_id: string): Promise<string | null> => {
    const where = await deps.directory.placeOf({ workspace_id, session_id });
    return where === null ? null : linkTo(where);
  };
  const active = sessions.items.filter(isActive);
  return {
    agents: agents.slice(0, SHOWN),
    sessions: await Promise.all(
      active.slice(0, SHOWN).map(async (one) => ({
        session_id: one._id,
        title: one.title ?? 'untitled',
        agent_name: one.agent.name,
        state: stateOf(one),
        link: await link(one._id),
      })),
    ),
    more: { agents: Math.max(0, agents.length - SHOWN), sessions: Math.max(0, active.length - SHOWN) },
    waiting,
    month: {
      mine: totalOf(costs.filter(({ started_by }) => started_by === actor_id)),
      all: may('see runs and costs', role) ? totalOf(costs) : null,
    },
    may_create: may('create an agent', role),
  };
}

async function ownAgents(deps: OverviewDeps, workspace_id: string, actor_id: string): Promise<Overview['agents']> {
  const agents = await deps.directory.agents(workspace_id);
  return agents
    .filter(({ owners }) => owners.includes(actor_id))
    .map(({ id, name, description, paused }) => ({ agent_id: id, name, description, paused }));
}
