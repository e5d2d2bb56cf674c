import { NotFoundError, SessionClosedError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { Actor, NewEntry } from '../session/event.ts';
import type { LaneSession, SessionLog } from '../session/log.ts';
import type { UserContent } from '../session/session-state.ts';
import { isRunEnd } from './active.ts';
import { attach } from './attached-files.ts';
import { actorOf, type ChooseSessionDeps, type Chosen, chooseSession, MAX_CLOSED } from './choose-session.ts';
import { laneOf } from './conversation-store.ts';
import { type EarlierDeps, earlierEntry } from './earlier.ts';
import { IGNORED, type InboundMessage, type Receipt } from './inbound.ts';
import type { KeptInbound, Target } from './inbound-document.ts';
import { loggedEventId } from './inbound-keys.ts';
import { isMeant } from './meant.ts';
import { runningHead } from './paused.ts';
import { actorIdOf, type Roles } from './roles.ts';
import type { SessionDirectory } from './session-directory.ts';

/** What the agent reads of a message that is nothing but a mention: what it is about was said before. */
const WORDLESS = '(a mention without a word)';

export interface ReceiveMessageDeps extends EarlierDeps, ChooseSessionDeps {
  log: SessionLog;
  directory: SessionDirectory;
  roles: Pick<Roles, 'roleOf'>;
  received(session: LaneSession): void;
}

/** Nothing but a mention. */
export function isWordless({ text, files = [] }: Pick<InboundMessage, 'text' | 'files'>): boolean {
  return text.trim() === '' && files.length === 0;
}

/** Put a message into the session of its conversation, starting one where there is none. One that is meant for nobody is ignored. */
export async function receiveMessage(
  deps: ReceiveMessageDeps,
  kept: KeptInbound,
  message: InboundMessage,
): Promise<Receipt> {
  const receipt = await receiveMeant(deps, kept, message);
  // Who did not ask is not answered.
  return receipt.effect === 'refused' && !message.addressed ? IGNORED : receipt;
}

async function receiveMeant(deps: ReceiveMessageDeps, kept: KeptInbound, message: InboundMessage): Promise<Receipt> {
  if (kept.targets === null && !(await isMeant(deps, message))) return IGNORED;
  const { connector, tenant } = message.conversation;
  const workspace_id = await deps.directory.workspaceOf(connector, tenant);
  const actor_id = actorIdOf(connector, message.sender);
  const [conversation, role] = await Promise.all([
    deps.conversations.open(message.conversation, workspace_id),
    deps.roles.roleOf(workspace_id, { actor_id, guest: message.sender.guest === true }),
  ]);
  const speaker = { actor_id, role };
  let current = kept;
  for (let attempt = 1; ; attempt++) {
    const chosen = await chooseSession(deps, current, conversation, { message, speaker });
    if ('receipt' in chosen) return chosen.receipt;
    const { target, held } = chosen;
    try {
      // First what may be put off: what was said before is then read once.
      const { content: attached, problem } = await attach(deps, target, current.inbound, message);
      const earlier = await earlierEntry(deps, target, current, message);
      const message_id = current.inbound.kind === 'message' ? message.message_id : null;
      const lane = laneOf(conversation);
      const text = isWordless(message) ? WORDLESS : message.text;
      const said = { text, by: actorOf(message), lane, message_id, version: message.version, earlier };
      const became = await sayTo(deps, current, chosen, { ...said, attached });
      if (became === 'over') return { effect: 'refused', text: held };
      return became === 'said' ? { effect: 'accepted', text: problem } : { effect: 'duplicate', text: null };
    } catch (error) {
      const closed = error instanceof SessionClosedError || error instanceof NotFoundError;
      if (!closed || attempt === MAX_CLOSED) throw error;
      deps.positions.delete(target.session_id);
      current = { ...current, targets: [target] };
    }
  }
}

/** An agent that is paused or archived is steered, and begins nothing. */
async function sayTo(
  deps: ReceiveMessageDeps,
  kept: KeptInbound,
  { target, held }: Chosen,
  said: Said,
): Promise<Became> {
  if (held === null) return sayOnce(deps, kept, target, said);
  const run = await runningHead(deps, target);
  return run === null ? 'over' : sayOnce(deps, kept, target, { ...said, run: run.seq });
}

interface Said {
  text: string;
  by: Actor;
  lane: string;
  /** The chat message that it is. */
  message_id?: string | null;
  /** Where that was changed before. */
  version?: string | undefined;
  /** What stands before it. */
  earlier?: NewEntry | null;
  /** What stands behind its text, which may then be empty. */
  attached?: UserContent;
  /** Only into the run that was under way when the log stood here. */
  run?: number | undefined;
}

/** What became of it: it was there already, or the run that it was for is over, and nothing was said. */
type Became = 'said' | 'there' | 'over';

/**
 * Put what somebody said into a session's log, once however often this is repeated.
 * @throws SessionClosedError, NotFoundError when the session ended since it was chosen
 */
export async function sayOnce(
  deps: Pick<ReceiveMessageDeps, 'log' | 'positions' | 'received'>,
  kept: KeptInbound,
  target: Target,
  said: Said,
): Promise<Became> {
  const { text, by, lane, message_id = null, version, earlier = null, attached = [], run } = said;
  const { after_seq, ...ref } = target;
  const id = loggedEventId(kept.inbound, target.session_id);
  const there = await appendOnce(watched(deps), ref, {
    after_seq,
    entries: [
      ...(earlier === null ? [] : [earlier]),
      {
        event: {
          id,
          type: 'user.message',
          content: text === '' && attached.length > 0 ? attached : [{ type: 'text', text }, ...attached],
          processed_at: null,
        },
        by,
        ...(message_id !== null && { message_id }),
        ...(message_id !== null && version !== undefined && { tells: { message_id, version } }),
      },
    ],
    isThere: (entry) => entry.event.id === id || (run !== undefined && entry.seq > run && isRunEnd(entry)),
    owed: true,
    open: true,
  });
  if (there !== null && there.event.id !== id) return 'over';
  deps.received({ ...ref, lane });
  return there === null ? 'said' : 'there';
}

/** The log, with an eye on where it stands. */
function watched({
  log,
  positions,
}: Pick<ReceiveMessageDeps, 'log' | 'positions'>): Pick<SessionLog, 'append' | 'readPage'> {
  return {
    readPage: (ref, after, limit) => log.readPage(ref, after, limit),
    async append(request) {
      const placed = await log.append(request);
      const last = placed.at(-1);
      if (last === undefined) return placed;
      const given = placed.findLast((entry) => entry.message_id !== undefined)?.message_id;
      const message_id = given ?? positions.get(request.session_id)?.message_id ?? null;
      positions.set(request.session_id, { seq: last.seq, message_id });
      return placed;
    },
  };
}
