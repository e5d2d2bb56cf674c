import { NOT_GIVEN, stopSessions } from '../receive-stop.ts';
import { answer, type Command, refuse } from './command.ts';
import { onSession } from './find-session.ts';
import { isActive } from './words.ts';

export const stopSession: Command = {
  name: 'stop',
  args: '<id>',
  summary: 'stop what runs or waits there',
  run: onSession('stop or resume a session', async (deps, { kept, workspace_id, person, conversation }, session) => {
    const ended = await deps.inbound.endPutOff({ workspace_id, session_id: session._id });
    const inVain = (text: string) => (ended > 0 ? answer(`${text} ${NOT_GIVEN}`) : refuse(text));
    if (kept.targets === null && !isActive(session)) return inVain('Nothing is running there.');
    const target = { workspace_id, session_id: session._id, after_seq: session.log.seq };
    const by = { via: conversation.connector, id: person.id, name: person.name };
    const stopped = await stopSessions(deps, kept, [{ target, lane: session.log.lane }], by);
    if (stopped === 0) return inVain('It is stopping already.');
    return answer(['It is being stopped.', ...(ended > 0 ? [NOT_GIVEN] : [])].join(' '));
  }),
};
