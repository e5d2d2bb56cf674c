import type { SessionDocument } from '../../resources/session-document.ts';
import { laneOf } from '../conversation-store.ts';
import { forbidden, may } from '../roles.ts';
import { answer, type Command, type CommandDeps, type CommandReply, type CommandRequest, refuse } from './command.ts';
import { LOOKED_AT, pageOf } from './pages.ts';
import { sessionLines } from './session-line.ts';

const SHOWN = 10;

export const mySessions: Command = {
  name: 'mine',
  args: '[page]',
  summary: 'what you have asked for lately',
  async run(deps, request) {
    const { workspace_id, actor_id } = request;
    const found = await deps.sessions.list(workspace_id, { started_by: actor_id, limit: LOOKED_AT });
    const none = 'You have not begun one yet: mention an agent, or write to it.';
    return listed(deps, request, found, { heading: 'Your sessions', none, command: '/sessions mine' });
  },
};

export const sessionsHere: Command = {
  name: 'here',
  args: '[page]',
  summary: 'what was asked for in this channel',
  async run(deps, request) {
    const { workspace_id, conversation, role } = request;
    if (!may('see runs and costs', role)) return refuse(forbidden('see runs and costs'));
    if (deps.connectors.get(conversation.connector)?.closed_conversations === true) {
      return refuse('Here every conversation is its people’s own: `/sessions` lists yours.');
    }
    const found = await deps.sessions.list(workspace_id, { lane: laneOf(conversation), limit: LOOKED_AT });
    const none = 'Nobody has begun one here yet.';
    return listed(deps, request, found, { heading: 'Sessions of this channel', none, command: '/sessions here' });
  },
};

async function listed(
  deps: CommandDeps,
  request: CommandRequest,
  { items, next_page }: { items: SessionDocument[]; next_page: string | null },
  { heading, none, command }: { heading: string; none: string; command: string },
): Promise<CommandReply> {
  if (items.length === 0) return answer(none);
  const page = pageOf({ items, more: next_page !== null }, { word: request.args, size: SHOWN, command });
  if (typeof page === 'string') return refuse(page);
  const lines = await sessionLines(deps, request, page.items);
  const ways = ['`/sessions stop | resume | open <id>`', page.rest].filter((line) => line !== '').join(' · ');
  return answer(`**${heading}**${page.place}, the latest first\n${lines.join('\n')}\n\n${ways}`);
}
