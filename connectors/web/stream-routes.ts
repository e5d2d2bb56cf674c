import { Router } from 'express';
import { isConversationId } from './conversation-id.ts';
import { type EventStream, openEventStream } from './event-stream.ts';
import { streamQuery } from './parse.ts';
import { parseInput, Refusal } from './refusal.ts';
import { personOf, signedIn } from './session-routes.ts';
import type { WebDeps } from './web-deps.ts';

/** Open event streams of one process. More are refused, so that forgotten pages cannot use up its memory. */
const MOST_STREAMS = 5_000;

/** `GET /web/events`; `streams` holds the open ones, for `stop` to close. */
export function createStreamRouter(deps: WebDeps, streams: Set<EventStream>): Router {
  const router = Router();

  router.get('/events', async (request, response) => {
    // Express asks this route for a HEAD too, whose answer has no body to stream.
    if (request.method === 'HEAD') throw new Refusal(405, 'invalid_request', 'A stream can only be asked for by GET.');
    deps.receiver();
    const { conversation, after } = parseInput(streamQuery, request.query);
    const conversationId = conversation ?? null;
    const isKnown =
      conversationId === null ||
      (isConversationId(conversationId) && (await deps.conversations.get(conversationId)) !== null);
    if (!isKnown) throw new Refusal(404, 'not_found', 'There is no conversation at this address.');
    if (streams.size >= MOST_STREAMS) throw new Refusal(503, 'busy', 'Too many pages are open. Try again shortly.');

    // A browser that reconnects by itself repeats the first `after` and says here what it saw last.
    const seen = Number(request.headers['last-event-id']);
    const stream = openEventStream(
      {
        messages: deps.messages,
        conversations: deps.conversations,
        bell: deps.bell,
        isSignedIn: async () => (await signedIn(deps, request)) !== null,
        onError: (err) => deps.logger.warn({ err }, 'web event stream failed'),
      },
      { person: personOf(response), conversationId, after: Number.isSafeInteger(seen) ? Math.max(seen, after) : after },
      response,
    );
    streams.add(stream);
    void stream.ended.then(() => streams.delete(stream));
    // `stop` has closed those that were open by then.
    if (deps.isLeaving()) stream.close();
  });

  return router;
}
