import { stopSessions } from '../receive-stop.ts';
import { answer, type Command, refuse } from './command.ts';
import { onSession } from './find-session.ts';
import { isActive } from './words.ts';

export const stopSession: Command = {
  name: 'stop',
  args: '<id>',
  summary: 'stop what runs or waits there',
  run: onSession('stop or resume a session', async (deps, { kept, workspace_id, person, conversation }, session) => {
    if (kept.targets === null && !isActive(session)) return refuse('Nothing is running there.');
    const target = { workspace_id, session_id: session._id, after_seq: session.log.seq };
    const by = { via: conversation.connector, id: person.id, name: person.name };
    const stopped = await stopSessions(deps, kept, [{ target, lane: session.log.lane }], by);
    return stopped === 0 ? refuse('It is stopping already.') : answer('It is being stopped.');
  }),
};
