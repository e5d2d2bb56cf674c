import { countsAsGuest } from '../guests.ts';
import { type NameOf, namesOf, targetOf } from '../names.ts';
import { forbidden, may, ROLES, type Role } from '../roles.ts';
import { answer, type Command, type CommandDeps, type CommandReply, type CommandRequest, plain, refuse } from './command.ts';
import { counted } from './words.ts';

/** People that are named in one list. */
const NAMED = 20;

const PERSON = /^[a-z][a-z0-9_-]*:(?!group:|channel:)[^\s,]+$/;
const HOW = `\`/agents role slack:U123\` says what somebody is, \`/agents role slack:U123 member\` makes them that. Roles: ${ROLES.join(', ')}.`;

export const giveRole: Command = {
  name: 'role',
  args: `[person] [${ROLES.join(' | ')}]`,
  summary: 'what somebody may do here, and who admins and owners are; admins change it',
  async run(deps, request) {
    const { workspace_id, role, args, conversation } = request;
    if (args === '') return answer(await everybody(deps, request));
    const [person = '', wanted, ...rest] = args.split(/\s+/);
    const given = ROLES.find((one) => one === wanted?.toLowerCase());
    if (!PERSON.test(person) || rest.length > 0 || (wanted !== undefined && given === undefined)) {
      return refuse(`Say who, and what they shall be: ${HOW}`);
    }
    const nameOf = await namesOf(deps.connectors, [person], conversation);
    const name = plain(nameOf(person));
    if (given === undefined) return lookAt(deps, request, person, name);
    if (!may('give roles', role)) return refuse(forbidden('give roles'));
    if (deps.roles.isFirstAdmin(workspace_id, person))
      return refuse(`${name} is an admin by \`DECKHAND_ADMINS\`; change it there.`);
    await deps.roles.give(workspace_id, person, given);
    return answer(`${name} is ${aRole(given)} now.`);
  },
};

/** What one person is here. */
async function lookAt(
  deps: CommandDeps,
  { workspace_id, role, actor_id, conversation }: CommandRequest,
  person: string,
  name: string,
): Promise<CommandReply> {
  if (person === actor_id) return answer(`You are ${aRole(role)} here.`);
  if (role === 'guest') return refuse('Guests may not look up what others are.');
  const { via, id } = targetOf(person);
  // Of people elsewhere their platform is not asked: they are what an admin said.
  const guest =
    via === conversation.connector &&
    (await countsAsGuest(deps.connectors.get(via), { id, name: id }, conversation.tenant));
  const theirs = await deps.roles.roleOf(workspace_id, { actor_id: person, guest });
  return answer(`${name} is ${aRole(theirs)} here.`);
}

/** Who asks, and whom they can turn to. */
async function everybody(deps: CommandDeps, request: CommandRequest): Promise<string> {
  const { workspace_id, role, actor_id, conversation } = request;
  const [admins, agents] = await Promise.all([
    deps.roles.adminsOf(workspace_id),
    deps.directory.agents(workspace_id),
  ]);
  const owners = [...new Set(agents.flatMap((agent) => agent.owners))];
  const named = [admins, owners].flatMap((ids) => ids.slice(0, NAMED));
  const nameOf = await namesOf(deps.connectors, named, conversation);
  const owned = (id: string) => agents.filter((agent) => agent.owners.includes(id)).map((agent) => plain(agent.name));
  const lines = [
    `You (\`${actor_id}\`) are ${aRole(role)} here.`,
    '',
    `- Admins: ${list(admins, nameOf) || 'none'}`,
    `- Owners of agents: ${list(owners, nameOf, (id) => ` (${some(owned(id))})`) || 'none'}`,
    '',
    HOW,
  ];
  return lines.join('\n');
}

function list(ids: readonly string[], nameOf: NameOf, more: (id: string) => string = () => ''): string {
  return some(ids.map((id) => () => `${plain(nameOf(id))}${more(id)}`));
}
