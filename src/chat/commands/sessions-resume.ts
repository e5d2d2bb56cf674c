import { NotFoundError, SessionClosedError } from '../../errors.ts';
import { earlierEventId } from '../inbound-keys.ts';
import { raisedBy } from '../over-budget.ts';
import { pausedWords } from '../paused.ts';
import { sayOnce } from '../receive-message.ts';
import { answer, type Command, refuse } from './command.ts';
import { onSession } from './find-session.ts';
import { ENDED, isSpent, stateOf } from './words.ts';

const GO_ON = 'Please go on where you stopped.';

export const resumeSession: Command = {
  name: 'resume',
  args: '<id>',
  summary: 'let it go on where it stopped',
  run: onSession('stop or resume a session', async (deps, { kept, workspace_id, person, conversation }, session) => {
    const state = stateOf(session);
    // Once it may cost more than it has, nothing holds it.
    if (kept.targets === null && state !== 'at rest' && !(state === 'over budget' && !isSpent(session))) {
      return refuse(
        {
          running: 'It is running.',
          'waits for approval': 'It waits for somebody’s decision: press Approve or Deny on its card.',
          'over budget': `It has used up its budget. ${raisedBy(session._id)}`,
          ended: ENDED,
        }[state],
      );
    }
    const agent = (await deps.directory.agents(workspace_id)).find(({ id }) => id === session.agent.id);
    if (kept.targets === null && agent?.paused === true) return refuse(pausedWords(agent));
    const ref = { workspace_id, session_id: session._id };
    const [target] = kept.targets ?? (await deps.inbound.target(kept, [{ ...ref, after_seq: session.log.seq }]));
    if (target === undefined) throw new Error('A resumed session has no target after one was fixed');
    const by = { via: conversation.connector, id: person.id, name: person.name };
    try {
      const id = earlierEventId(kept.inbound, session._id);
      const event = { id, type: 'deckhand.session_resumed' as const, processed_at: new Date().toISOString() };
      // Before it, for all who are there: they see that the agent does not begin by itself.
      await sayOnce(deps, kept, target, { text: GO_ON, by, lane: session.log.lane, earlier: { event, by } });
    } catch (error) {
      if (error instanceof SessionClosedError || error instanceof NotFoundError) return refuse(ENDED);
      throw error;
    }
    return answer('It goes on.');
  }),
};
