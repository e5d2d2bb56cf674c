import { NotFoundError } from '../../errors.ts';
import type { SessionDocument } from '../../resources/session-document.ts';
import { namesOf } from '../names.ts';
import { forbidden, may } from '../roles.ts';
import { type CommandDeps, type CommandReply, type CommandRequest, plain, refuse } from './command.ts';

/** A command about one session, by somebody who may stop it, or began it, or may see all runs where that is enough. */
export function onSession(
  action: 'stop or resume a session' | 'see runs and costs',
  run: (deps: CommandDeps, request: CommandRequest, session: SessionDocument) => Promise<CommandReply>,
) {
  return async (deps: CommandDeps, request: CommandRequest): Promise<CommandReply> => {
    const { workspace_id, args, actor_id, role } = request;
    if (args === '') return refuse('Say which session: `/sessions` lists yours with their ids.');
    const session = await find(deps, workspace_id, args.replaceAll('`', ''));
    const starter = session?.started_by === actor_id;
    const owner = session?.owners.includes(actor_id) === true;
    // What somebody began they may see and stop, whoever they are.
    const allowed = may(action, role, { owner, starter }) || starter;
    // An id that is not theirs to know of is none.
    if (session === null || (!allowed && role === 'guest')) {
      return refuse(`There is no session ${plain(args)}. \`/sessions\` lists yours with their ids.`);
    }
    if (allowed) return run(deps, request, session);
    const nameOf = await namesOf(deps.connectors, session.owners, request.conversation);
    return refuse(
      forbidden(
        action,
        session.owners.map((id) => plain(nameOf(id))),
      ),
    );
  };
}

async function find(deps: CommandDeps, workspace_id: string, session_id: string): Promise<SessionDocument | null> {
  try {
    return await deps.sessions.getSession({ workspace_id, session_id });
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}
