import { countsAsGuest } from '../guests.ts';
import { namesOf, targetOf } from '../names.ts';
import { forbidden, may, ROLES, type Role } from '../roles.ts';
import {
  answer,
  type Command,
  type CommandDeps,
  type CommandReply,
  type CommandRequest,
  plain,
  refuse,
} from './command.ts';
import { NAMED, someOf } from './words.ts';

const PERSON = /^[a-z][a-z0-9_-]*:(?!group:|channel:)[^\s,]+$/;

export const giveRole: Command = {
  name: 'role',
  args: `[person] [${ROLES.join(' | ')}]`,
  summary: 'what you or somebody may do here, and who admins and owners are; admins say otherwise',
  async run(deps, request) {
    const { workspace_id, role, actor_id, args, conversation } = request;
    if (args === '') return answer(await whoIsWho(deps, request));
    const [person = '', wanted, ...rest] = args.split(/\s+/);
    const given = ROLES.find((one) => one === wanted?.toLowerCase());
    if (!PERSON.test(person) || rest.length > 0 || (wanted !== undefined && given === undefined)) {
      return refuse(
        'Say who (in Slack with a mention), and what they shall be or nothing to see what they are, ' +
          `as in \`/agents role slack:U123 member\`. Roles: ${ROLES.join(', ')}.`,
      );
    }
    const nameOf = await namesOf(deps.connectors, [person], conversation);
    const name = plain(nameOf(person));
    if (given === undefined) return whatIs(deps, request, person, name);
    if (!may('give roles', role)) return refuse(forbidden('give roles'));
    if (deps.roles.isFirstAdmin(workspace_id, person))
      return refuse(`${name} is an admin by \`DECKHAND_ADMINS\`; change it there.`);
    const kept = `${person === actor_id ? 'You are' : `${name} is`} the only admin here: make somebody else one first.`;
    const before = await deps.roles.adminsOf(workspace_id);
    if (given !== 'admin' && isOnly(before, person)) return refuse(kept);
    await deps.roles.give(workspace_id, person, given);
    // Two admins may have said it of each other at the same time.
    if (given !== 'admin' && before.includes(person) && (await deps.roles.adminsOf(workspace_id)).length === 0) {
      await deps.roles.give(workspace_id, person, 'admin');
      return refuse(kept);
    }
    return answer(`${name} is ${one(given)} now.`);
  },
};

async function whatIs(
  deps: CommandDeps,
  { workspace_id, role, actor_id, conversation }: CommandRequest,
  person: string,
  name: string,
): Promise<CommandReply> {
  if (person === actor_id) return answer(`You are ${one(role)} here.`);
  if (role === 'guest') return refuse('Guests see only what they are themselves: `/agents role`.');
  const { via, id } = targetOf(person);
  // Who is on another platform has no tenant here to be a guest of.
  const guest =
    via === conversation.connector &&
    (await countsAsGuest(deps.connectors.get(via), { id, name: id }, conversation.tenant));
  return answer(`${name} is ${one(await deps.roles.roleOf(workspace_id, { actor_id: person, guest }))} here.`);
}

/** What the asker is, and whom they can turn to. */
async function whoIsWho(deps: CommandDeps, request: CommandRequest): Promise<string> {
  const { workspace_id, role, actor_id, conversation } = request;
  const [admins, agents] = await Promise.all([deps.roles.adminsOf(workspace_id), deps.directory.agents(workspace_id)]);
  const owners = [...new Set(agents.flatMap((agent) => agent.owners))];
  const named = [...admins.slice(0, NAMED), ...owners.slice(0, NAMED)];
  const nameOf = await namesOf(deps.connectors, named, conversation);
  const owned = (id: string) =>
    agents.flatMap(({ name, owners: theirs }) => (theirs.includes(id) ? [plain(name)] : [])).toSorted();
  return [
    `You (\`${actor_id}\`) are ${one(role)} here.`,
    `- Admins: ${someOf(admins.map((id) => plain(nameOf(id)))) || 'none'}`,
    `- Owners: ${someOf(owners.map((id) => `${plain(nameOf(id))} (${someOf(owned(id))})`)) || 'none'}`,
  ].join('\n');
}

function isOnly(admins: readonly string[], person: string): boolean {
  return admins.length === 1 && admins[0] === person;
}

function one(role: Role): string {
  return `${role === 'admin' ? 'an' : 'a'} ${role}`;
}
