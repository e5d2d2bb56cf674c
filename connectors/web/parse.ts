import { z } from 'zod';
import type { InboundCommand, InboundDecision, InboundMessage, InboundStop } from '../../src/chat/inbound.ts';
import type { Person } from '../../src/chat/place.ts';
import { keyOf } from './conversation-id.ts';
import type { MessageDocument } from './message-document.ts';
import type { AgentChoice } from './wire.ts';

/** Chosen by the page for each thing it sends, and the same on every retry of it. */
const clientId = z.string().regex(/^[A-Za-z0-9_-]{8,64}$/, 'must be 8 to 64 letters, digits, - or _');

/** Longest message a person may send, in UTF-16 units. */
export const MESSAGE_LENGTH = 40_000;

export const signInBody = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1, 'Say who you are.')
    .max(60, 'At most 60 characters.')
    .regex(
      /^[\p{L}\p{N}][\p{L}\p{M}\p{N} .'’_-]*$/u,
      'Letters, digits, spaces and . - _ only, starting with a letter.',
    ),
  key: z.string().max(500).optional(),
});

export const newConversationBody = z.strictObject({ client_id: clientId, agent: z.string().max(200).optional() });

/** Half of a surrogate pair is no character: MongoDB would keep another text than the page was answered with. */
const prose = () => z.string().overwrite((text) => text.replaceAll(/\p{Surrogate}/gu, '\uFFFD'));

export const newMessageBody = z.strictObject({
  client_id: clientId,
  text: prose()
    .max(MESSAGE_LENGTH, `At most ${MESSAGE_LENGTH} characters.`)
    .refine((text) => text.trim() !== '', 'Write something first.'),
});

export const decisionBody = z.strictObject({
  client_id: clientId,
  approval_id: z.string().min(1).max(200),
  decision: z.enum(['allow', 'deny']),
  for_session: z.boolean().optional(),
  reason: prose().trim().max(2_000, 'At most 2,000 characters.').optional(),
});

export const stopBody = z.strictObject({ client_id: clientId });

export const listQuery = z.object({
  search: z.string().trim().max(200).optional(),
  before: z.string().max(100).optional(),
  limit: z.coerce.number().int().min(1).max(100).default(50),
});

export const pageQuery = z.object({ before: z.coerce.number().int().min(1) });

export const streamQuery = z.object({
  conversation: z.string().max(100).optional(),
  after: z.coerce.number().int().min(0).default(0),
});

/**
 * A stored message of a person, as the house reads it. Everything said on the page is said to the agent. A mention
 * (`@deckhand`, `@<agent name or id>`) at the start is taken off; who is asked is that agent, else the one that was picked for the conversation, where the text calls no other.
 */
export function parseMessage(
  message: Pick<MessageDocument, '_id' | 'conversation_id' | 'client_id'>,
  sender: Person,
  text: string,
  picked: string | null,
  agents: AgentChoice[],
): InboundMessage {
  const mention = leadingMention(text, agents);
  const usual = mention?.agent ?? picked;
  return {
    event_id: eventId(sender, message.client_id ?? message._id),
    message_id: message._id,
    conversation: keyOf(message.conversation_id),
    sender,
    text: mention?.rest ?? text,
    addressed: true,
    ...(usual !== null && { usual_agent: usual }),
  };
}

const COMMAND = /^\s*\/(agents|approvals|sessions)(?:\s+([^]*))?$/;

/** Whether this text is a command: `/agents list`. Only who typed it sees it and its answer. */
export function isCommand(text: string): boolean {
  return COMMAND.test(text);
}

/** A stored message that is a command; null when it is a message. */
export function parseCommand(
  message: Pick<MessageDocument, '_id' | 'conversation_id' | 'client_id'>,
  person: Person,
  text: string,
): InboundCommand | null {
  const [, name, rest = ''] = COMMAND.exec(text) ?? [];
  if (name !== 'agents' && name !== 'approvals' && name !== 'sessions') return null;
  return {
    event_id: eventId(person, message.client_id ?? message._id),
    conversation: keyOf(message.conversation_id),
    person,
    name,
    text: rest,
  };
}

export function parseDecision(
  conversationId: string,
  person: Person,
  body: z.infer<typeof decisionBody>,
): InboundDecision {
  return {
    event_id: eventId(person, body.client_id),
    conversation: keyOf(conversationId),
    person,
    approval_id: body.approval_id,
    decision: body.decision,
    ...(body.reason !== undefined && body.reason !== '' && { reason: body.reason }),
    ...(body.for_session !== undefined && { for_session: body.for_session }),
  };
}

export function parseStop(conversationId: string, person: Person, body: z.infer<typeof stopBody>): InboundStop {
  return { event_id: eventId(person, body.client_id), conversation: keyOf(conversationId), person };
}

/** Two people's pages may choose the same client id; they do not mean the same event. */
function eventId(person: Person, id: string): string {
  return `web/${person.id}/${id}`;
}

function leadingMention(text: string, agents: AgentChoice[]): { agent: string | null; rest: string } | null {
  const trimmed = text.trimStart();
  const names = [
    ...agents.flatMap(({ id, name }) => [
      { name, agent: id },
      { name: id, agent: id },
    ]),
    // The bot itself. After the agents: one of them may be called the same, and then is meant.
    { name: 'deckhand', agent: null },
  ].toSorted((a, b) => b.name.length - a.name.length);
  for (const { name, agent } of names) {
    const mention = trimmed.slice(0, name.length + 1).toLowerCase();
    const rest = trimmed.slice(name.length + 1);
    if (mention === `@${name.toLowerCase()}` && /^([\s,:;.!?]|$)/.test(rest)) {
      const said = rest.replace(/^[\s,:;]+/, '');
      return { agent, rest: said === '' ? trimmed : said };
    }
  }
  return null;
}
