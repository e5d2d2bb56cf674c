import { NotFoundError, SessionClosedError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { LogEntry } from '../session/event.ts';
import type { LaneSession, SessionLog, SessionRef } from '../session/log.ts';
import { isRunEnd } from './active.ts';
import { type ConversationStore, laneOf } from './conversation-store.ts';
import { quoted } from './earlier.ts';
import { guestRefusal } from './guests.ts';
import { IGNORED, type InboundChange, type InboundMessage, type Receipt } from './inbound.ts';
import type { KeptInbound } from './inbound-document.ts';
import { loggedEventId, loggedMessageId } from './inbound-keys.ts';
import type { InboundStore } from './inbound-store.ts';
import { PutOffError } from './later.ts';
import { actorIdOf, type Roles } from './roles.ts';
import type { SessionDirectory } from './session-directory.ts';

export interface ReceiveChangeDeps {
  log: Pick<SessionLog, 'append' | 'find' | 'head' | 'list' | 'query' | 'readPage'>;
  conversations: Pick<ConversationStore, 'findByKey'>;
  inbound: Pick<InboundStore, 'endPutOff' | 'waitOf'>;
  directory: Pick<SessionDirectory, 'agents' | 'find'>;
  roles: Pick<Roles, 'roleOf'>;
  received(session: LaneSession): void;
  /** As in ApplyDeps. */
  say(message: InboundMessage): Promise<Receipt | null>;
}

/** Of the message that was changed, so that it is known which one. */
const REMINDER = 300;
const NOT_GIVEN = 'The agent had not been given the message that you deleted, and is not given it any more.';
/** Endings that are looked at; most of them are one. */
const LOOK_BACK = 100;

/**
 * Follow a message that somebody changed or took back: whoever was given it and is not done with it hears of that, once
 * however often this is repeated, and never of an older version after a newer one. What was finished is left alone. A
 * message that nobody was given is one now where it begins to address the bot, and else nobody's still. Whoever may not speak
 * to an agent (any more) does not do so by changing what they said.
 */
export async function receiveChange(
  deps: ReceiveChangeDeps,
  kept: KeptInbound,
  change: InboundChange,
): Promise<Receipt> {
  const say = async () => (change.message === undefined ? null : deps.say(change.message));
  let given = await givenOf(deps, change);
  if (given.length === 0) {
    const said = await say();
    if (said !== null) return said;
    if (change.text === null && (await deps.inbound.endPutOff(change)) > 0)
      return { effect: 'accepted', text: NOT_GIVEN };
    const waiting = await deps.inbound.waitOf(change);
    // Due a moment after the message itself; where another gateway is at that, as soon as may be.
    if (waiting !== null) {
      const { wait_ms, is_here } = waiting;
      throw new PutOffError(wait_ms === 0 ? 0 : wait_ms + 1, null, { behind: is_here });
    }
    // It may have arrived there since it was looked for.
    given = await givenOf(deps, change);
    // Nor is it kept any more: what it was a double of came to nothing.
    const anew = given.length === 0 ? await say() : null;
    if (anew !== null) return anew;
  }
  let receipt = IGNORED;
  for (const one of given) {
    const became = await tellOnce(deps, kept, change, one);
    if (became.effect === 'accepted' || receipt.effect === 'ignored') receipt = became;
  }
  return receipt;
}

/** Whether some session was given this message. */
export async function wasGiven(
  deps: Pick<ReceiveChangeDeps, 'log' | 'conversations'>,
  message: Pick<InboundChange, 'conversation' | 'message_id'>,
): Promise<boolean> {
  return (await givenOf(deps, message)).length > 0;
}

interface Given {
  ref: SessionRef;
  agent_id: string;
  lane: string;
  /** The message in that session's log. */
  entry: LogEntry;
}

async function givenOf(
  { log, conversations }: Pick<ReceiveChangeDeps, 'log' | 'conversations'>,
  { conversation: place, message_id }: Pick<InboundChange, 'conversation' | 'message_id'>,
): Promise<Given[]> {
  const conversation = await conversations.findByKey(place);
  if (conversation === null) return [];
  const given: Given[] = [];
  for (const [agent_id, { session_id }] of Object.entries(conversation.sessions)) {
    const ref = { workspace_id: conversation.workspace_id, session_id };
    try {
      const [entry] = await log.find(ref, [loggedMessageId(conversation, message_id, session_id)]);
      if (entry !== undefined) given.push({ ref, agent_id, lane: laneOf(conversation), entry });
    } catch (error) {
      // Deleted, or reserved and not made.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
  return given;
}

/** Ignored: it was told before, as was a later one, or the session is done with the message. */
async function tellOnce(
  deps: ReceiveChangeDeps,
  kept: KeptInbound,
  change: InboundChange,
  { ref, agent_id, lane, entry }: Given,
): Promise<Receipt> {
  const { log } = deps;
  // It came as a message too, and was given as that.
  if (change.message !== undefined && change.text === textOf(entry)) return IGNORED;
  const id = loggedEventId(kept.inbound, ref.session_id);
  // First the head: what lands after it is seen when the append does not match, and what stands before it is found here.
  const { seq } = await log.head(ref);
  if ((await log.find(ref, [id])).length > 0 || (await isFinished(deps, ref, entry))) return IGNORED;
  if (await isOld(deps, ref, entry, change)) return IGNORED;
  const refusal = await refusalFor(deps, change, ref, agent_id);
  if (refusal !== null) return { effect: 'refused', text: refusal };
  const by = { via: change.conversation.connector, id: change.sender.id, name: change.sender.name };
  const { message_id } = change;
  try {
    const there = await appendOnce(log, ref, {
      after_seq: seq,
      entries: [
        {
          event: {
            id,
            type: 'user.message',
            content: [{ type: 'text', text: toldOf(change, textOf(entry)) }],
            processed_at: null,
          },
          by,
          tells: { message_id, version: change.text === null ? null : change.version },
        },
      ],
      isThere: (other) => other.event.id === id || isRunEnd(other) || isAtLeast(other, change),
      owed: true,
      open: true,
    });
    if (there !== null) return IGNORED;
  } catch (error) {
    if (error instanceof SessionClosedError || error instanceof NotFoundError) return IGNORED;
    throw error;
  }
  deps.received({ ...ref, lane });
  return { effect: 'accepted', text: null };
}

/** As a message of theirs to this agent would be refused now; null: it would not. */
async function refusalFor(
  deps: ReceiveChangeDeps,
  { conversation: { connector }, sender }: InboundChange,
  { workspace_id, session_id }: SessionRef,
  agent_id: string,
): Promise<string | null> {
  const actor_id = actorIdOf(connector, sender);
  const [role, agents] = await Promise.all([
    deps.roles.roleOf(workspace_id, { actor_id, guest: sender.guest === true }),
    deps.directory.agents(workspace_id),
  ]);
  // One that was archived meanwhile says nothing about guests any more.
  const agent = agents.find(({ id }) => id === agent_id) ?? { id: agent_id, name: 'the agent', guests: 'restrict' };
  const sessions = { [agent_id]: { session_id, made: true } };
  return guestRefusal(deps, { actor_id, role }, agent, { workspace_id, sessions });
}

/** Whether this version of the message or a later one was told. Reads what people said since the message. */
async function isOld(
  { log }: ReceiveChangeDeps,
  ref: SessionRef,
  entry: LogEntry,
  change: InboundChange,
): Promise<boolean> {
  if (isAtLeast(entry, change)) return true;
  const inputs = { ...ref, types: ['user.message'] as const, order: 'asc' as const, limit: LOOK_BACK };
  for (let after_seq = entry.seq; ; ) {
    const { entries, more } = await log.list({ ...inputs, after_seq });
    if (entries.some((other) => isAtLeast(other, change))) return true;
    if (!more) return false;
    after_seq = entries.at(-1)?.seq ?? after_seq;
  }
}

/** This entry tells that message, as it is after this change or a later one. */
function isAtLeast({ tells }: LogEntry, { message_id, version, text }: InboundChange): boolean {
  if (tells?.message_id !== message_id) return false;
  return tells.version === null || (text !== null && tells.version >= version);
}

/** A run ended since: it had taken the message up, because none rests before it has seen what is there. */
async function isFinished({ log }: ReceiveChangeDeps, ref: SessionRef, { seq }: LogEntry): Promise<boolean> {
  const types = ['session.status_idle', 'session.status_terminated'] as const;
  const ends = await log.query({ ...ref, types, after_seq: seq, order: 'desc', limit: LOOK_BACK });
  return ends.some(isRunEnd);
}

function toldOf({ sender, text }: InboundChange, before: string): string {
  const short = before.length <= REMINDER ? before : `${before.slice(0, REMINDER).replace(/[\uD800-\uDBFF]$/, '')}…`;
  if (text === null) {
    return `${sender.name} took this message back, so what it asked for is not wanted any more:\n${quoted(short)}`;
  }
  return `${sender.name} changed this message:\n${quoted(short)}\n\nIt says now:\n\n${text}`;
}

/** What the person wrote, without what was attached. */
function textOf({ event }: LogEntry): string {
  if (event.type !== 'user.message') return '';
  const [first] = event.content;
  return first?.type === 'text' ? first.text : '';
}
