import { NotFoundError, SessionClosedError } from '../errors.ts';
import { appendOnce } from '../session/append-once.ts';
import type { LogEntry } from '../session/event.ts';
import type { LaneSession, SessionLog, SessionRef } from '../session/log.ts';
import { type Conversation, type ConversationStore, laneOf } from './conversation-store.ts';
import { quoted } from './earlier.ts';
import { IGNORED, type InboundChange, type Receipt } from './inbound.ts';
import { loggedEventId, loggedMessageId } from './inbound-keys.ts';
import type { InboundStore, KeptInbound } from './inbound-store.ts';
import { PutOffError } from './later.ts';

export interface ReceiveChangeDeps {
  log: Pick<SessionLog, 'append' | 'find' | 'head' | 'query' | 'readPage'>;
  conversations: Pick<ConversationStore, 'findByKey'>;
  inbound: Pick<InboundStore, 'waitOf'>;
  received(session: LaneSession): void;
}

/** Of the message that was changed, so that it is known which one. */
const REMINDER = 300;
/** Endings that are looked at; most of them are one. */
const LOOK_BACK = 100;

/**
 * Follow a message that somebody changed or took back: whoever was given it and is not done with it hears of that, once
 * however often this is repeated. What was finished is left alone, and so is what nobody was given.
 */
export async function receiveChange(
  deps: ReceiveChangeDeps,
  kept: KeptInbound,
  change: InboundChange,
): Promise<Receipt> {
  const conversation = await deps.conversations.findByKey(change.conversation);
  if (conversation === null) return IGNORED;
  let receipt = IGNORED;
  const given = await givenTo(deps, conversation, change.message_id);
  const wait = given.length === 0 ? await deps.inbound.waitOf(change) : null;
  if (wait === 0) throw new Error('The message that was changed is still on its way to the agent');
  // Due a moment after the message itself.
  if (wait !== null) throw new PutOffError(wait + 1, null);
  for (const { ref, entry } of given) {
    if (await tellOnce(deps, kept, { change, ref, entry, lane: laneOf(conversation) })) {
      receipt = { effect: 'accepted', text: null };
    }
  }
  return receipt;
}

/** Whether some session was given this message. */
export async function wasGiven(
  deps: Pick<ReceiveChangeDeps, 'log' | 'conversations'>,
  { conversation: place, message_id }: Pick<InboundChange, 'conversation' | 'message_id'>,
): Promise<boolean> {
  const conversation = await deps.conversations.findByKey(place);
  return conversation !== null && (await givenTo(deps, conversation, message_id)).length > 0;
}

interface Given {
  ref: SessionRef;
  /** The message in that session's log. */
  entry: LogEntry;
}

async function givenTo(
  { log }: Pick<ReceiveChangeDeps, 'log'>,
  conversation: Conversation,
  message_id: string,
): Promise<Given[]> {
  const given: Given[] = [];
  for (const { session_id } of Object.values(conversation.sessions)) {
    const ref = { workspace_id: conversation.workspace_id, session_id };
    try {
      const [entry] = await log.find(ref, [loggedMessageId(conversation, message_id, session_id)]);
      if (entry !== undefined) given.push({ ref, entry });
    } catch (error) {
      // Deleted, or reserved and not made.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }
  return given;
}

/** False: it was told before, or the session is done with the message. */
async function tellOnce(
  deps: ReceiveChangeDeps,
  kept: KeptInbound,
  { change, ref, entry, lane }: Given & { change: InboundChange; lane: string },
): Promise<boolean> {
  const { log } = deps;
  if (change.was_unaddressed === true && change.text === textOf(entry)) return false;
  const id = loggedEventId(kept.inbound, ref.session_id);
  // First the head: what lands after it is seen when the append does not match, and what stands before it is found here.
  const { seq } = await log.head(ref);
  if ((await log.find(ref, [id])).length > 0 || (await isFinished(deps, ref, entry))) return false;
  const by = { via: change.conversation.connector, id: change.sender.id, name: change.sender.name };
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
        },
      ],
      isThere: (other) => other.event.id === id || isEnd(other),
      owed: true,
      open: true,
    });
    if (there !== null) return false;
  } catch (error) {
    if (error instanceof SessionClosedError || error instanceof NotFoundError) return false;
    throw error;
  }
  deps.received({ ...ref, lane });
  return true;
}

/** A run ended since: it had taken the message up, because none rests before it has seen what is there. */
async function isFinished({ log }: ReceiveChangeDeps, ref: SessionRef, { seq }: LogEntry): Promise<boolean> {
  const types = ['session.status_idle', 'session.status_terminated'] as const;
  const ends = await log.query({ ...ref, types, after_seq: seq, order: 'desc', limit: LOOK_BACK });
  return ends.some(isEnd);
}

function isEnd({ event }: LogEntry): boolean {
  if (event.type === 'session.status_terminated') return true;
  return event.type === 'session.status_idle' && event.stop_reason.type !== 'requires_action';
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
