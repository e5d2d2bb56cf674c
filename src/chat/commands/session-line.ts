import type { SessionDocument } from '../../resources/session-document.ts';
import { plain } from './command.ts';
import { centsOf, moment, stateOf, usd } from './words.ts';

/** One session in a list. Its title is what somebody said: it is shown to those who could have heard it. */
export function sessionLine(session: SessionDocument, show: { title: boolean }): string {
  const title = show.title ? plain(session.title ?? 'untitled') : '(said elsewhere)';
  return `- \`${session._id}\` ${title} · ${session.agent.name} · ${stateOf(session)} · ${moment(session.created_at)} · ${usd(centsOf(session))}`;
}
