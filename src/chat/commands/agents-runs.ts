import type { SessionDocument } from '../../resources/session-document.ts';
import { laneOf } from '../conversation-store.ts';
import { answer, type Command, plain, refuse } from './command.ts';
import { onAgent } from './find-agent.ts';
import { LOOKED_AT, pageOf } from './pages.ts';
import { sessionLines } from './session-line.ts';

const SHOWN = 10;

export const listRuns: Command = {
  name: 'runs',
  args: '<name> [page]',
  summary: 'what it was asked to do lately',
  run: onAgent(
    'see runs and costs',
    async (deps, request, { agent, rest }) => {
      const found = await deps.sessions.list(request.workspace_id, { agent_id: agent._id, limit: LOOKED_AT });
      const { name } = agent.config;
      if (found.items.length === 0) return answer(`**${plain(name)}** has not been asked anything yet.`);
      const more = found.next_page !== null;
      const page = pageOf({ items: found.items, more }, { word: rest, size: SHOWN, command: `/agents runs ${name}` });
      if (typeof page === 'string') return refuse(page);
      const closed = deps.connectors.get(request.conversation.connector)?.closed_conversations === true;
      const lane = closed ? null : laneOf(request.conversation);
      // What was said elsewhere may be none of this person's business.
      const hears = (one: SessionDocument) => one.started_by === request.actor_id || one.log.lane === lane;
      const lines = await sessionLines(deps, request, page.items, hears);
      const ways = ['`/sessions stop | resume | open <id>`', page.rest].filter((line) => line !== '').join(' ');
      return answer(`**Runs of ${plain(name)}**${page.place}, the latest first\n${lines.join('\n')}\n\n${ways}`);
    },
    'more',
  ),
};
