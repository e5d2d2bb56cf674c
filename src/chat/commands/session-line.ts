import type { SessionDocument } from '../../resources/session-document.ts';
import { type CommandDeps, type CommandRequest, plain } from './command.ts';
import { linkOf } from './session-link.ts';
import { centsOf, moment, stateOf, usd } from './words.ts';

/**
 * Sessions in a list, each with the way to it where the asker may have that. A title is what somebody said: it is shown to
 * those who could have heard it.
 */
export async function sessionLines(
  deps: CommandDeps,
  request: CommandRequest,
  sessions: readonly SessionDocument[],
  hears: (session: SessionDocument) => boolean = () => true,
): Promise<string[]> {
  return Promise.all(
    sessions.map(async (session) => {
      const found = await linkOf(deps, request, session);
      const title = hears(session) ? plain(session.title ?? 'untitled') : '(said elsewhere)';
      const shown = 'link' in found ? `[${title}](${found.link})` : title;
      const words = [plain(session.agent.name), stateOf(session), moment(session.created_at), usd(centsOf(session))];
      return `- \`${session._id}\` ${[shown, ...words].join(' · ')}`;
    }),
  );
}
