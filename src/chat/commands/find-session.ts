import { NotFoundError } from '../../errors.ts';
import { ownersOf } from '../../resources/approval-policy.ts';
import type { SessionDocument } from '../../resources/session-document.ts';
import { namesOf } from '../names.ts';
import { type Action, forbidden, may } from '../roles.ts';
import { type CommandDeps, type CommandReply, type CommandRequest, plain, refuse } from './command.ts';
import { idAndRest } from './find-approval.ts';

type SessionAction = Extract<Action, 'stop or resume a session' | 'see runs and costs' | 'raise a budget'>;

/** What somebody who began it may do with it, whoever they are. */
const STARTERS: readonly SessionAction[] = ['stop or resume a session', 'see runs and costs'];

/** A command about one session, by somebody who may do this with it. `args` of the request is what stands behind its id. */
export function onSession(
  action: SessionAction,
  run: (deps: CommandDeps, request: CommandRequest, session: SessionDocument) => Promise<CommandReply>,
) {
  return async (deps: CommandDeps, request: CommandRequest): Promise<CommandReply> => {
    const { workspace_id, actor_id, role } = request;
    const { id, rest } = idAndRest(request.args);
    if (id === '') return refuse('Say which session: `/sessions` lists yours with their ids.');
    const session = await find(deps, workspace_id, id);
    const starter = session?.started_by === actor_id;
    const owners = session === null ? [] : await ownersNow(deps, session);
    const owner = owners.includes(actor_id);
    const allowed = may(action, role, { owner, starter }) || (starter && STARTERS.includes(action));
    // An id that is not theirs to know of is none.
    if (session === null || (!allowed && !starter && role === 'guest')) {
      return refuse(`There is no session \`${id}\`. \`/sessions\` lists yours with their ids.`);
    }
    // Only an amount stands behind an id.
    if (allowed && rest !== '' && action !== 'raise a budget') {
      return refuse(`Say the id alone: what stands behind it (${plain(rest)}) is not understood.`);
    }
    if (allowed) return run(deps, { ...request, args: rest }, session);
    const nameOf = await namesOf(deps.connectors, owners, request.conversation);
    return refuse(
      forbidden(
        action,
        owners.map((id) => plain(nameOf(id))),
      ),
    );
  };
}

/** Those of its agent as it is now, whichever version the session has: who is no longer an owner decides no more. */
async function ownersNow(deps: CommandDeps, { workspace_id, agent }: SessionDocument): Promise<string[]> {
  return ownersOf((await deps.agents.get(workspace_id, agent.id)).config);
}

async function find(deps: CommandDeps, workspace_id: string, session_id: string): Promise<SessionDocument | null> {
  try {
    return await deps.sessions.getSession({ workspace_id, session_id });
  } catch (error) {
    if (error instanceof NotFoundError) return null;
    throw error;
  }
}
