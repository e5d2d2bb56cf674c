import { type RequestHandler, type Response, Router } from 'express';
import { isConversationId } from './conversation-id.ts';
import { wireMessage } from './message-document.ts';
import { listQuery, newConversationBody, pageQuery } from './parse.ts';
import { parseInput, Refusal } from './refusal.ts';
import { personOf } from './session-routes.ts';
import type { WebDeps } from './web-deps.ts';
import type { ConversationDetail, ConversationSummary } from './wire.ts';

/** Messages in one answer; older ones are asked for as the reader scrolls up. */
const PAGE = 100;

/** The list, a new conversation, and what was said in one: `/web/conversations`. */
export function createConversationRouter(deps: WebDeps): Router {
  const router = Router();
  router.param('conversation', refuseUnknown(deps));

  router.get('/agents', async (_request, response) => {
    response.json({ data: await deps.agents() });
  });

  router.get('/conversations', async (request, response) => {
    const { search, before, limit } = parseInput(listQuery, request.query);
    const person_id = personOf(response).id;
    const page = { person_id, limit, ...(before !== undefined && { before }) };
    if (search === undefined || search === '') {
      response.json(await deps.conversations.list(page));
      return;
    }
    const ids = await deps.messages.search(await deps.conversations.idsOf(person_id), person_id, search);
    response.json(await deps.conversations.list({ ...page, search: { text: search, ids } }));
  });

  router.post('/conversations', async (request, response) => {
    const body = parseInput(newConversationBody, request.body);
    const agent = body.agent === undefined ? null : await chosenAgent(deps, body.agent);
    const summary = await deps.conversations.create({ client_id: body.client_id, person: personOf(response), agent });
    deps.bell.announce(summary);
    response.status(201).json(summary);
  });

  // Whoever was given the address may come in: opening it is joining.
  router.get('/conversations/:conversation', async (_request, response) => {
    const person = personOf(response);
    const known = conversationOf(response);
    const isNew = !known.people.some(({ id }) => id === person.id);
    const conversation = (isNew ? await deps.conversations.join(known.id, person) : null) ?? known;
    if (isNew) deps.bell.announce(conversation);
    // Read before the messages, so that what changes meanwhile comes twice rather than never.
    const cursor = await deps.messages.head(known.id);
    const { messages, more } = await deps.messages.page(known.id, person.id, PAGE);
    const detail: ConversationDetail = { conversation, messages: messages.map(wireMessage), earlier: more, cursor };
    response.json(detail);
  });

  router.get('/conversations/:conversation/messages', async (request, response) => {
    const { before } = parseInput(pageQuery, request.query);
    const { messages, more } = await deps.messages.page(
      conversationOf(response).id,
      personOf(response).id,
      PAGE,
      before,
    );
    response.json({ messages: messages.map(wireMessage), earlier: more });
  });

  return router;
}

/** Finds the conversation a route names, or answers 404. For `router.param`. */
export function refuseUnknown(deps: Pick<WebDeps, 'conversations'>) {
  return async (
    _request: Parameters<RequestHandler>[0],
    response: Response,
    next: () => void,
    id: string,
  ): Promise<void> => {
    const found = isConversationId(id) ? await deps.conversations.get(id) : null;
    if (found === null) throw new Refusal(404, 'not_found', 'There is no conversation at this address.');
    response.locals['conversation'] = found;
    next();
  };
}

/** After `refuseUnknown`. */
export function conversationOf(response: Response): ConversationSummary {
  return response.locals['conversation'] as ConversationSummary;
}

async function chosenAgent(deps: WebDeps, id: string): Promise<{ id: string; name: string }> {
  const agent = (await deps.agents()).find((each) => each.id === id);
  if (agent === undefined) throw new Refusal(400, 'invalid_input', 'agent: there is no such agent any more.');
  return { id: agent.id, name: agent.name };
}
