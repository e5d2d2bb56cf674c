import { answer, type Command, plain, refuse } from './command.ts';
import { onSession } from './find-session.ts';
import { linkOf } from './session-link.ts';
import { stateOf } from './words.ts';

export const openSession: Command = {
  name: 'open',
  args: '<id>',
  summary: 'where it is',
  run: onSession('see runs and costs', async (deps, request, session) => {
    const found = await linkOf(deps, request, session);
    if ('refusal' in found) return refuse(found.refusal);
    return answer(`[Open the session](${found.link}) of ${plain(session.agent.name)} (${stateOf(session)}).`);
  }),
};
