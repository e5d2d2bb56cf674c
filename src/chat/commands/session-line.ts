import type { SessionDocument } from '../../resources/session-document.ts';
import { type CommandDeps, type CommandRequest, plain } from './command.ts';
import { linkOf } from './session-link.ts';
import { centsOf, moment, stateOf, usd } from './words.ts';

/**
 * Sessions in a list. A title is what somebody said: it is shown to those who could have heard it, with the way there where its
 * asker may have that.
 */
export async function sessionLines(
  deps: CommandDeps,
  request: CommandRequest,
  sessions: readonly SessionDocument[],
  hears: (session: SessionDocument) => boolean = () => true,
): Promise<string[]> {
  return Promise.all(
    sessions.map(async (session) => {
      const shown = hears(session) ? await titleOf(deps, request, session) : '(said elsewhere)';
      const words = [plain(session.agent.name), stateOf(session), moment(session.created_at), usd(centsOf(session))];
      return `- \`${session._id}\` ${[shown, ...words].join(' · ')}`;
    }),
  );
}

async function titleOf(deps: CommandDeps, request: CommandRequest, session: SessionDocument): Promise<string> {
  const title = plain(session.title ?? 'untitled');
  const found = await linkOf(deps, request, session);
  return 'link' in found ? `[${title}](${found.link})` : title;
}
