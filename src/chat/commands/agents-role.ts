import { forbidden, may, ROLES } from '../roles.ts';
import { answer, type Command, refuse } from './command.ts';

export const giveRole: Command = {
  name: 'role',
  args: `<person> <${ROLES.join(' | ')}>`,
  summary: 'what somebody may do here',
  async run(deps, { workspace_id, role, args, actor_id }) {
    const [person, wanted] = args.split(/\s+/);
    if (args === '') return answer(`You (\`${actor_id}\`) are ${role === 'admin' ? 'an' : 'a'} ${role} here.`);
    if (!may('give roles', role)) return refuse(forbidden('give roles'));
    const given = ROLES.find((one) => one === wanted?.toLowerCase());
    if (person === undefined || given === undefined || !/^[a-z][a-z0-9_-]*:[^\s,]+$/.test(person)) {
      return refuse(`Say who and what, as in \`/agents role slack:U123 member\`. Roles: ${ROLES.join(', ')}.`);
    }
    if (deps.roles.isFirstAdmin(workspace_id, person))
      return refuse(`${person} is an admin by \`DECKHAND_ADMINS\`; change it there.`);
    await deps.roles.give(workspace_id, person, given);
    return answer(`${person} is ${given === 'admin' ? 'an' : 'a'} ${given} now.`);
  },
};
