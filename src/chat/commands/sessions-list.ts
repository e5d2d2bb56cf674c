import type { SessionDocument } from '../../resources/session-document.ts';
import { laneOf } from '../conversation-store.ts';
import { forbidden, may } from '../roles.ts';
import { answer, type Command, refuse } from './command.ts';
import { sessionLine } from './session-line.ts';

const SHOWN = 10;

export const mySessions: Command = {
  name: 'mine',
  args: '',
  summary: 'what you have asked for lately',
  async run(deps, { workspace_id, actor_id }) {
    const { items } = await deps.sessions.list(workspace_id, { started_by: actor_id, limit: SHOWN });
    return answer(listed('Your sessions', items, 'You have not begun one yet: mention an agent, or write to it.'));
  },
};

export const sessionsHere: Command = {
  name: 'here',
  args: '',
  summary: 'what was asked for in this channel',
  async run(deps, { workspace_id, conversation, role }) {
    if (!may('see runs and costs', role)) return refuse(forbidden('see runs and costs'));
    if (deps.connectors.get(conversation.connector)?.closed_conversations === true) {
      return refuse('Here every conversation is its people’s own: `/sessions` lists yours.');
    }
    const { items } = await deps.sessions.list(workspace_id, { lane: laneOf(conversation), limit: SHOWN });
    return answer(listed('Sessions of this channel', items, 'Nobody has begun one here yet.'));
  },
};

function listed(heading: string, sessions: readonly SessionDocument[], none: string): string {
  if (sessions.length === 0) return none;
  const lines = sessions.map((one) => sessionLine(one, { title: true }));
  return `**${heading}**, the latest first\n${lines.join('\n')}\n\n\`/sessions stop | resume | open <id>\``;
}
