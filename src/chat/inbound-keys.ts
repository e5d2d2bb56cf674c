import { createHash } from 'node:crypto';
import { derivedId } from '../session/id.ts';
import type {
  InboundChange,
  InboundCommand,
  InboundDecision,
  InboundFeedback,
  InboundMessage,
  InboundStop,
} from './inbound.ts';
import type { ConversationKey } from './place.ts';

export type Inbound =
  | { kind: 'message'; message: InboundMessage }
  | { kind: 'change'; change: InboundChange }
  | { kind: 'decision'; decision: InboundDecision }
  | { kind: 'stop'; stop: InboundStop }
  | { kind: 'feedback'; feedback: InboundFeedback }
  | { kind: 'command'; command: InboundCommand };

/** The id of the event that this message or stop becomes in a log: the same one, however often it is applied. */
export function loggedEventId(inbound: Inbound, session_id: string): `sevt_${string}` {
  const { event_key, message_key } = keysOf(inbound);
  return loggedIdOf(message_key ?? event_key, session_id);
}

/** The id that a message of this place has in a log, if it was put there. */
export function loggedMessageId(
  place: Pick<ConversationKey, 'connector' | 'channel'>,
  message_id: string,
  session_id: string,
): `sevt_${string}` {
  return loggedIdOf(messageKey(place, message_id), session_id);
}

/** The id of what stands before that event: it tells what was said before, or by whose command that is said. */
export function earlierEventId(inbound: Inbound, session_id: string): `sevt_${string}` {
  return loggedIdOf(`earlier ${loggedEventId(inbound, session_id)}`, session_id);
}

function loggedIdOf(key: string, session_id: string): `sevt_${string}` {
  const hash = createHash('sha256').update(`${key}\n${session_id}`).digest('hex');
  return derivedId('sevt', `in_${hash.slice(0, 32)}`);
}

/** By channel, without the tenant: Slack names one message's team differently to different installations. */
export function messageKey(place: Pick<ConversationKey, 'connector' | 'channel'>, message_id: string): string {
  return keyOf('message', place.connector, place.channel, message_id);
}

/** What an event is recognised by when it comes again; `message_key` is shared by all events about one message, or one change. */
export function keysOf(inbound: Inbound): { event_key: string; message_key?: string } {
  switch (inbound.kind) {
    case 'message': {
      const { conversation, event_id, message_id } = inbound.message;
      return { event_key: eventKey(conversation, event_id), message_key: messageKey(conversation, message_id) };
    }
    case 'change': {
      const { conversation, event_id, message_id, version } = inbound.change;
      const message_key = keyOf('change', conversation.connector, conversation.channel, message_id, version);
      return { event_key: eventKey(conversation, event_id), message_key };
    }
    case 'decision':
      return { event_key: eventKey(inbound.decision.conversation, inbound.decision.event_id) };
    case 'stop':
      return { event_key: eventKey(inbound.stop.conversation, inbound.stop.event_id) };
    case 'feedback':
      return { event_key: eventKey(inbound.feedback.conversation, inbound.feedback.event_id) };
    case 'command':
      return { event_key: eventKey(inbound.command.conversation, inbound.command.event_id) };
    default:
      return inbound satisfies never;
  }
}

function eventKey(conversation: ConversationKey, event_id: string): string {
  return keyOf('event', conversation.connector, conversation.tenant, event_id);
}

/** Ids are the platform's and may hold anything: as JSON no two lists of them are the same text. */
function keyOf(...parts: string[]): string {
  return JSON.stringify(parts);
}
