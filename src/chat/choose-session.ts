import type { Actor } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { pagesAfter } from '../session/log-reading.ts';
import { agentCalled } from './agent-names.ts';
import type { ChannelSettingsStore } from './channel-settings.ts';
import { type Conversation, type ConversationStore, laneOf } from './conversation-store.ts';
import type { EarlierDeps } from './earlier.ts';
import { guestRefusal, type Speaker } from './guests.ts';
import type { InboundMessage, Receipt } from './inbound.ts';
import type { KeptInbound, Target } from './inbound-document.ts';
import { loggedEventId } from './inbound-keys.ts';
import type { InboundStore } from './inbound-store.ts';
import { archivedOf, type HeldAgent, heldWords, pauseRefusal } from './paused.ts';
import type { AgentName, SessionDirectory } from './session-directory.ts';

const TITLE_LENGTH = 80;
/** Sessions that close between being found and being written to, one after another. */
export const MAX_CLOSED = 5;

export interface ChooseSessionDeps extends Pick<EarlierDeps, 'positions'> {
  log: SessionLog;
  inbound: InboundStore;
  conversations: ConversationStore;
  channels: Pick<ChannelSettingsStore, 'of'>;
  directory: SessionDirectory;
}

/** A message, and who says it. */
export interface Spoken {
  message: InboundMessage;
  speaker: Speaker;
}

/** Where a message goes. */
export interface Chosen {
  target: Target;
  /** Its agent takes no new work, in words: the message may steer a run that is under way, and begins none. */
  held: string | null;
}

/** The session that this message goes to, or what there is to say when it goes to none. */
export async function chooseSession(
  deps: ChooseSessionDeps,
  kept: KeptInbound,
  conversation: Conversation,
  { message, speaker }: Spoken,
): Promise<Chosen | { receipt: Receipt }> {
  const before = kept.targets?.[0];
  if (before !== undefined) {
    if (await wasSaid(deps, kept, before)) return { receipt: { effect: 'duplicate', text: null } };
    const session = await deps.directory.find(before);
    if (session?.open === true) {
      const agents = await deps.directory.agents(conversation.workspace_id);
      return {
        target: before,
        held: heldWords(agents.find(({ id }) => id === session.agent_id) ?? archivedOf(session)),
      };
    }
    // Closed since it was chosen: what was not said there is said in a new session.
  }
  const agent = await pickAgent(deps, conversation, message);
  if ('refusal' in agent) return refused(agent.refusal);
  const refusal =
    (await pauseRefusal(deps, agent, conversation)) ?? (await guestRefusal(deps, speaker, agent, conversation));
  if (refusal !== null) return refused(refusal);
  const target = await choose(deps, kept, conversation, agent, { message, speaker });
  return 'receipt' in target ? target : { target, held: heldWords(agent) };
}

/**
 * Why this agent would take nothing from this person in this conversation, as a sentence, before anything is done for it;
 * null when it would.
 */
export async function refusalBefore(
  deps: Pick<ChooseSessionDeps, 'log' | 'directory'>,
  speaker: Speaker,
  agent: AgentName,
  conversation: Pick<Conversation, 'workspace_id' | 'sessions'>,
): Promise<string | null> {
  const refusal =
    (await pauseRefusal(deps, agent, conversation)) ?? (await guestRefusal(deps, speaker, agent, conversation));
  if (refusal !== null) return refusal;
  const { workspace_id, sessions } = conversation;
  const slot = sessions[agent.id];
  const session = slot === undefined ? null : await deps.directory.find({ workspace_id, session_id: slot.session_id });
  return session?.open === true ? null : deps.directory.problemOf(workspace_id, agent.id);
}

function refused(text: string): { receipt: Receipt } {
  return { receipt: { effect: 'refused', text } };
}

/**
 * The agent that is picked or called, else the usual one or the one spoken to last here, else the channel's, else the
 * workspace's. One that was archived keeps what it has begun here: nobody else is handed what was said to it.
 */
async function pickAgent(
  { directory, channels }: Pick<ChooseSessionDeps, 'directory' | 'channels'>,
  conversation: Conversation,
  { agent: picked, usual_agent, text }: InboundMessage,
): Promise<HeldAgent | { refusal: string }> {
  const agents = await directory.agents(conversation.workspace_id);
  const called = picked === undefined ? agentCalled(agents, text) : null;
  if (called !== null) return called;
  const named = picked ?? usual_agent;
  const wanted = named?.toLowerCase();
  const meant = agents.find((agent) =>
    named === undefined
      ? agent.id === conversation.agent_id
      : agent.id === named || agent.name.toLowerCase() === wanted,
  );
  if (meant !== undefined) return meant;
  const archived = picked === undefined ? await archivedHere(directory, conversation, named) : null;
  if (archived !== null) return archived;
  const [first] = agents;
  if (first === undefined) return { refusal: 'There is no agent here yet: `/agents new` makes one. Then write again.' };
  if (named !== undefined) {
    const names = agents.map((agent) => agent.name).join(', ');
    return { refusal: `There is no agent named ${named}. There is: ${names}.` };
  }
  const { agent_id } = await channels.of(conversation.workspace_id, conversation);
  return agents.find((agent) => agent.id === agent_id) ?? first;
}

/** An agent that is none any more, where its session here is open. @param id by default of the one spoken to last */
async function archivedHere(
  directory: Pick<SessionDirectory, 'find'>,
  { workspace_id, agent_id, sessions }: Conversation,
  id = agent_id ?? '',
): Promise<HeldAgent | null> {
  const slot = sessions[id];
  const session = slot === undefined ? null : await directory.find({ workspace_id, session_id: slot.session_id });
  return session?.open === true ? archivedOf(session) : null;
}

/** The agent's live session here, made when there is none, fixed as this message's target. */
async function choose(
  deps: ChooseSessionDeps,
  kept: KeptInbound,
  conversation: Conversation,
  agent: HeldAgent,
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
  deps: ChooseSessionDeps,
  conversation: Conversation,
  agent: HeldAgent,
  message: InboundMessage,
  closed: string | null,
): Promise<{ session_id: string } | { refusal: string }> {
  const { workspace_id, _id: conversation_id } = conversation;
  let dead = closed;
  for (let attempt = 1; ; attempt++) {
    const slot = await deps.conversations.reserve(conversation, agent.id, dead);
    const ref = { workspace_id, session_id: slot.session_id };
    if (!slot.made) {
      // Nothing but a mention has no words, and what was said before it is not read yet.
      const title = titleOf(message.text.trim() || (message.files?.[0]?.name ?? agent.name));
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

async function takesInput(deps: ChooseSessionDeps, ref: SessionRef): Promise<boolean> {
  return (await deps.directory.find(ref))?.open === true;
}

async function wasSaid(deps: ChooseSessionDeps, kept: KeptInbound, target: Target): Promise<boolean> {
  if ((await deps.directory.find(target)) === null) return false;
  const id = loggedEventId(kept.inbound, target.session_id);
  for await (const page of pagesAfter(deps.log, target, target.after_seq)) {
    if (page.some((entry) => entry.event.id === id)) return true;
  }
  return false;
}

/** A message's first characters on one line, without half a surrogate pair at the end. */
function titleOf(text: string): string {
  const line = text.trim().replace(/\s+/g, ' ');
  if (line.length <= TITLE_LENGTH) return line;
  return `${line.slice(0, TITLE_LENGTH - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

export function actorOf(message: InboundMessage): Actor {
  return { via: message.conversation.connector, id: message.sender.id, name: message.sender.name };
}
