import { laneOf } from '../conversation-store.ts';
import { answer, type Command, plain } from './command.ts';
import { onAgent } from './find-agent.ts';
import { sessionLine } from './session-line.ts';

const SHOWN = 10;

export const listRuns: Command = {
  name: 'runs',
  args: '<name>',
  summary: 'what it was asked to do lately',
  run: onAgent('see runs and costs', async (deps, request, { agent }) => {
    const { items } = await deps.sessions.list(request.workspace_id, { agent_id: agent._id, limit: SHOWN });
    const { name } = agent.config;
    if (items.length === 0) return answer(`**${plain(name)}** has not been asked anything yet.`);
    const closed = deps.connectors.get(request.conversation.connector)?.closed_conversations === true;
    const lane = closed ? null : laneOf(request.conversation);
    // What was said elsewhere may be none of this person's business.
    const lines = items.map((one) =>
      sessionLine(one, { title: one.started_by === request.actor_id || one.log.lane === lane }),
    );
    return answer(`**Runs of ${plain(name)}**\n${lines.join('\n')}\n\n\`/sessions open <id>\` says where one is.`);
  }),
};
