import { isOfAnotherTenant } from '../decider.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { onSession } from './find-session.ts';
import { stateOf } from './words.ts';

export const openSession: Command = {
  name: 'open',
  args: '<id>',
  summary: 'where it is',
  run: onSession('see runs and costs', async (deps, { workspace_id, actor_id, conversation }, session) => {
    const place = await deps.directory.placeOf({ workspace_id, session_id: session._id });
    if (place === null) return refuse('It has no place in chat: it was begun through the API.');
    if (isOfAnotherTenant(place, conversation))
      return refuse('It is in a place of somebody else’s, which you cannot open.');
    const connector = deps.connectors.get(place.connector);
    if (connector?.closed_conversations === true && session.started_by !== actor_id) {
      return refuse('It is in a conversation of somebody else’s: ask them to let you in.');
    }
    const link = connector?.linkTo?.(place) ?? null;
    if (link === null) return refuse(`It is on ${plain(place.connector)}, which gives no links.`);
    return answer(`[Open the session](${link}) of ${plain(session.agent.name)} (${stateOf(session)}).`);
  }),
};
