import { NotFoundError, SessionClosedError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { Actor, NewEntry } from '../session/event.ts';
import type { LaneSession, SessionLog, SessionRef } from '../session/log.ts';
import { pagesAfter } from '../session/log-reading.ts';
import type { UserContent } from '../session/session-state.ts';
import { attach } from './attached-files.ts';
import type { ChannelSettingsStore } from './channel-settings.ts';
import { type Conversation, type ConversationStore, laneOf } from './conversation-store.ts';
import { type EarlierDeps, earlierEntry } from './earlier.ts';
import { guestRefusal, type Speaker } from './guests.ts';
import { IGNORED, type InboundMessage, type Receipt } from './inbound.ts';
import { loggedEventId } from './inbound-keys.ts';
import type { InboundStore, KeptInbound, Target } from './inbound-store.ts';
import { isMeant } from './meant.ts';
import { actorIdOf, type Roles } from './roles.ts';
import type { AgentName, SessionDirectory } from './session-directory.ts';

const TITLE_LENGTH = 80;
const WORDLESS = '(a mention without a word)';
/** Sessions that close between being found and being written to, one after another. */
const MAX_CLOSED = 5;

export interface ReceiveMessageDeps extends EarlierDeps {
  log: SessionLog;
  inbound: InboundStore;
  conversations: ConversationStore;
  channels: Pick<ChannelSettingsStore, 'of'>;
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
  const said = isWordless(message) ? { ...message, text: WORDLESS } : message;
  const receipt = await receiveMeant(deps, kept, said);
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
    const target = await targetOf(deps, current, conversation, { message, speaker });
    if ('receipt' in target) return target.receipt;
    try {
      // First what may be put off: what was said before is then read once.
      const { content: attached, problem } = await attach(deps, target, current.inbound, message);
      const earlier = await earlierEntry(deps, target, current, message);
      const message_id = current.inbound.kind === 'message' ? message.message_id : null;
      const lane = laneOf(conversation);
      const said = { text: message.text, by: actorOf(message), lane, message_id, version: message.version, earlier };
      const isNew = await sayOnce(deps, current, target, { ...said, attached });
      return isNew ? { effect: 'accepted', text: problem } : { effect: 'duplicate', text: null };
    } catch (error) {
      const closed = error instanceof SessionClosedError || error instanceof NotFoundError;
      if (!closed || attempt === MAX_CLOSED) throw error;
      deps.positions.delete(target.session_id);
      current = { ...current, targets: [target] };
    }
  }
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
}

/**
 * Put what somebody said into a session's log, once however often this is repeated; false when it was there.
 * @throws SessionClosedError, NotFoundError when the session ended since it was chosen
 */
export async function sayOnce(
  deps: Pick<ReceiveMessageDeps, 'log' | 'positions' | 'received'>,
  kept: KeptInbound,
  target: Target,
  said: Said,
): Promise<boolean> {
  const { text, by, lane, message_id = null, version, earlier = null, attached = [] } = said;
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
    isThere: (entry) => entry.event.id === id,
    owed: true,
    open: true,
  });
  deps.received({ ...ref, lane });
  return there === null;
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

/** A message, and who says it. */
interface Spoken {
  message: InboundMessage;
  speaker: Speaker;
}

/** The session that this message goes to, or what there is to say when it goes to none. */
async function targetOf(
  deps: ReceiveMessageDeps,
  kept: KeptInbound,
  conversation: Conversation,
  { message, speaker }: Spoken,
): Promise<Target | { receipt: Receipt }> {
  const before = kept.targets?.[0];
  if (before !== undefined) {
    if (await wasSaid(deps, kept, before)) return { receipt: { effect: 'duplicate', text: null } };
    if (await takesInput(deps, before)) return before;
    // Closed since it was chosen: what was not said there is said in a new session.
  }
  const agent = await pickAgent(deps, conversation, message.agent);
  if ('refusal' in agent) return refused(agent.refusal);
  if (agent.paused) {
    return refused(
      `${agent.name} is paused and takes no new work. Its owner can let it go on: /agents resume ${agent.name}`,
    );
  }
  const refusal = await guestRefusal(deps, speaker, agent, conversation);
  return refusal === null ? choose(deps, kept, conversation, agent, { message, speaker }) : refused(refusal);
}

function refused(text: string): { receipt: Receipt } {
  return { receipt: { effect: 'refused', text } };
}

/** The agent that was named, else the one spoken to last here, else the channel's, else the workspace's default. */
async function pickAgent(
  { directory, channels }: Pick<ReceiveMessageDeps, 'directory' | 'channels'>,
  conversation: Conversation,
  named: string | undefined,
): Promise<AgentName | { refusal: string }> {
  const agents = await directory.agents(conversation.workspace_id);
  const [first] = agents;
  if (first === undefined) return { refusal: 'There is no agent here yet. Create one first, then write again.' };
  if (named !== undefined && named !== '') {
    const wanted = named.toLowerCase();
    const found = agents.find((agent) => agent.id === named || agent.name.toLowerCase() === wanted);
    if (found !== undefined) return found;
    const names = agents.map((agent) => agent.name).join(', ');
    return { refusal: `There is no agent named ${named}. There is: ${names}.` };
  }
  const spokenTo = agents.find((agent) => agent.id === conversation.agent_id);
  if (spokenTo !== undefined) return spokenTo;
  const { agent_id } = await channels.of(conversation.workspace_id, conversation);
  return agents.find((agent) => agent.id === agent_id) ?? first;
}

/** The agent's live session here, made when there is none, fixed as this message's target. */
async function choose(
  deps: ReceiveMessageDeps,
  kept: KeptInbound,
  conversation: Conversation,
  agent: AgentName,
  { message, speaker }: Spoken,
): Promise<Target | { receipt: Receipt }> {
  const closed = kept.targets?.[0]?.session_id ?? null;
  const live = await liveSession(deps, conversation, agent, message, closed);
  if ('refusal' in live) return refused(live.refusal);
  const { session_id } = live;
  // Somebody else's first message may have made it meanwhile.
  const sessions = { [agent.id]: { session_id, made: true } };
  const refusal = await guestRefusal(deps, speaker, agent, { ...conversation, sessions });
  if (refusal !== null) return refused(refusal);
  const ref = { workspace_id: conversation.workspace_id, session_id };
  const after_seq = deps.positions.get(session_id)?.seq ?? (await deps.log.head(ref)).seq;
  const [target] = await deps.inbound.target(kept, [{ ...ref, after_seq }]);
  if (target === undefined) throw new Error('A message has no target after one was fixed');
  return target;
}

async function liveSession(
  deps: ReceiveMessageDeps,
  conversation: Conversation,
  agent: AgentName,
  message: InboundMessage,
  closed: string | null,
): Promise<{ session_id: string } | { refusal: string }> {
  const { workspace_id, _id: conversation_id } = conversation;
  let dead = closed;
  for (let attempt = 1; ; attempt++) {
    const slot = await deps.conversations.reserve(conversation, agent.id, dead);
    const ref = { workspace_id, session_id: slot.session_id };
    if (!slot.made) {
      const title = titleOf(message.text.trim() || (message.files?.[0]?.name ?? ''));
      const lane = laneOf(conversation);
      const by = actorOf(message);
      const refusal = await deps.directory.create({ ...ref, agent_id: agent.id, conversation_id, lane, title, by });
      if (refusal !== null) return { refusal };
      await deps.conversations.markMade(conversation, agent.id, slot.session_id);
    }
    // Where one was written to just now, the next append says whether it takes inputs.
    if (deps.positions.has(slot.session_id) && slot.session_id !== dead) return { session_id: slot.session_id };
    if (await takesInput(deps, ref)) return { session_id: slot.session_id };
    if (attempt === MAX_CLOSED) throw new Error('Sessions of this conversation close as fast as they are opened');
    dead = slot.session_id;
  }
}

async function takesInput(deps: ReceiveMessageDeps, ref: SessionRef): Promise<boolean> {
  return (await deps.directory.find(ref))?.open === true;
}

async function wasSaid(deps: ReceiveMessageDeps, kept: KeptInbound, target: Target): Promise<boolean> {
  if ((await deps.directory.find(target)) === null) return false;
  const id = loggedEventId(kept.inbound, target.session_id);
  for await (const page of pagesAfter(deps.log, target, target.after_seq)) {
    if (page.some((entry) => entry.event.id === id)) return true;
  }
  return false;
}

/** A message's first characters on one line, without half a surrogate pair at the end. */
export function titleOf(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line.length <= TITLE_LENGTH) return line;
  return `${line.slice(0, TITLE_LENGTH - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

function actorOf(message: InboundMessage): Actor {
  return { via: message.conversation.connector, id: message.sender.id, name: message.sender.name };
}
