import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type Response, Router } from 'express';
import type { InboundCommand, Receipt } from '../../src/chat/inbound.ts';
import type { Person } from '../../src/chat/place.ts';
import { keyOf } from './conversation-id.ts';
import { conversationOf, refuseUnknown } from './conversation-routes.ts';
import { type MessageDocument, wireMessage } from './message-document.ts';
import {
  decisionBody,
  isCommand,
  newMessageBody,
  parseCommand,
  parseDecision,
  parseMessage,
  parseStop,
  stopBody,
} from './parse.ts';
import { parseInput, Refusal } from './refusal.ts';
import { titleOf } from './render.ts';
import { personOf } from './session-routes.ts';
import type { WebDeps } from './web-deps.ts';
import type { DetailsBody, PostedMessage } from './wire.ts';

/** What people do in a conversation: say something, decide, stop. */
export function createMessageRouter(deps: WebDeps): Router {
  const router = Router();
  router.param('conversation', refuseUnknown(deps));

  router.post('/conversations/:conversation/messages', async (request, response) => {
    const { client_id, text } = parseInput(newMessageBody, request.body);
    const { id } = await joined(deps, response);
    const { id: person_id, name } = personOf(response);
    const stored = await deps.messages.add(id, {
      client_id,
      author: { kind: 'person', id: person_id, name },
      audience: isCommand(text) ? person_id : null,
      body: { kind: 'text', markdown: text, live: false },
    });
    deps.bell.ring(id, { type: 'changed', revision: stored.revision });
    const summary = isCommand(text) ? null : await deps.conversations.touch(id, titleOf(text));
    if (summary) deps.bell.announce(summary);
    const { receipt, message } = await handOn(deps, stored);
    const posted: PostedMessage = { message: wireMessage(message), receipt };
    response.status(202).json(posted);
  });

  router.post('/conversations/:conversation/decisions', async (request, response) => {
    const body = parseInput(decisionBody, request.body);
    const { id } = await joined(deps, response);
    if (!(await deps.messages.hasApproval(id, body.approval_id))) {
      throw new Refusal(404, 'not_found', 'There is no such approval in this conversation.');
    }
    const { receipt } = await deps.receiver().decision(parseDecision(id, personOf(response), body));
    response.json(await receipt);
  });

  router.get('/conversations/:conversation/approvals/:approval', async (request, response) => {
    const { id } = conversationOf(response);
    const { approval: approval_id } = request.params;
    if (!(await deps.messages.hasApproval(id, approval_id))) {
      throw new Refusal(404, 'not_found', 'There is no such approval in this conversation.');
    }
    const from = { conversation: keyOf(id), person: personOf(response), approval_id };
    const details = await deps.receiver().details(from);
    if ('refused' in details) throw new Refusal(403, 'not_allowed', details.refused);
    const { summary, why, detail } = details;
    const body: DetailsBody = { summary, why, detail };
    response.json(body);
  });

  router.get('/conversations/:conversation/files/:file', async (request, response) => {
    const { id } = conversationOf(response);
    const file = await deps.receiver().file({ conversation: keyOf(id), file_id: request.params.file });
    if (file === null) throw new Refusal(404, 'not_found', 'There is no such file in this conversation.');
    response.set({
      'content-type': file.mime_type,
      'content-length': String(file.size_bytes),
      // The agent made it: whatever it is, no browser runs it in this page's name.
      'content-disposition': `attachment; filename*=UTF-8''${encodeURIComponent(file.filename)}`,
      'content-security-policy': "sandbox; default-src 'none'",
    });
    await pipeline(Readable.from(file.content()), response);
  });

  router.post('/conversations/:conversation/stop', async (request, response) => {
    const body = parseInput(stopBody, request.body);
    const { id } = await joined(deps, response);
    const { receipt } = await deps.receiver().stop(parseStop(id, personOf(response), body));
    response.json(await receipt);
  });

  return router;
}

/** Whoever says something in a conversation is in it. */
async function joined(deps: WebDeps, response: Response): Promise<{ id: string }> {
  const conversation = conversationOf(response);
  const person = personOf(response);
  if (!conversation.people.some(({ id }) => id === person.id)) await deps.conversations.join(conversation.id, person);
  return conversation;
}

/**
 * Hands a stored message of a person to the receiver and keeps what became of it. Safe to repeat: the receiver knows
 * the event id, and a refusal is written once.
 */
export async function handOn(
  deps: Pick<WebDeps, 'agents' | 'bell' | 'conversations' | 'messages' | 'receiver'>,
  stored: MessageDocument,
): Promise<{ message: MessageDocument; receipt: Receipt }> {
  const conversation = await deps.conversations.get(stored.conversation_id);
  const picked = conversation?.agent?.id ?? null;
  const text = stored.body.kind === 'text' ? stored.body.markdown : '';
  const command = parseCommand(stored, authorOf(stored), text);
  if (command !== null) return handOnCommand(deps, stored, command);
  const inbound = parseMessage(stored, authorOf(stored), text, picked, await deps.agents());
  const receipt = await (await deps.receiver().message(inbound)).receipt;
  // What became of it the first time stands.
  if (stored.received) return { message: stored, receipt };
  const refusal = receipt.effect === 'refused' || receipt.effect === 'ignored' ? receipt.text : null;
  const message = await deps.messages.setReceived(stored.conversation_id, stored._id, refusal);
  if (message === null) return { message: stored, receipt };
  if (refusal !== null) deps.bell.ring(stored.conversation_id, { type: 'changed', revision: message.revision });
  return { message, receipt };
}

/** The answer becomes a message that only this person sees; a repeat finds it there. */
async function handOnCommand(
  deps: Pick<WebDeps, 'bell' | 'messages' | 'receiver'>,
  stored: MessageDocument,
  command: InboundCommand,
): Promise<{ message: MessageDocument; receipt: Receipt }> {
  const { effect, text } = await (await deps.receiver().command(command)).receipt;
  if (text !== null) {
    const answer = await deps.messages.add(stored.conversation_id, {
      delivery_id: `answer:${stored._id}`,
      author: { kind: 'agent', name: 'Deckhand' },
      audience: command.person.id,
      body: { kind: 'whisper', markdown: text },
    });
    deps.bell.ring(stored.conversation_id, { type: 'changed', revision: answer.revision });
  }
  const message = await deps.messages.setReceived(stored.conversation_id, stored._id, null);
  return { message: message ?? stored, receipt: { effect, text: null } };
}

function authorOf(message: MessageDocument): Person {
  const { author } = message;
  if (author.kind !== 'person') throw new TypeError(`Message ${message._id} was not written by a person.`);
  return { id: author.id, name: author.name };
}
