import type {
  BetaManagedAgentsSendSessionEvents,
  EventSendParams,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { type Request, type RequestHandler, type Response, Router } from 'express';
import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';
import { eventSchema, type QueuedParams } from '../resources/event-params.ts';
import type { LogEntry } from '../session/event.ts';
import type { EventQuery, SessionLog } from '../session/log.ts';
import { actorOf } from './auth.ts';
import { answering, bodyOf } from './body.ts';
import { ApiError } from './errors.ts';
import { type StreamDeps, streamEvents } from './event-stream.ts';
import { eventTypes } from './event-types.ts';
import { createdOf, createdParams, limitUpTo, listOf, order, queryOf } from './query.ts';
import { type SendDeps, sendEvents } from './send-events.ts';
import { refOf } from './sessions.ts';

interface ById {
  params: { id: string };
}

/** Most events of one page and of one request. */
const MAX_EVENTS = 1000;
const DEFAULT_EVENTS = 100;

const sendSchema = z.strictObject({
  events: z.array(eventSchema).min(1).max(MAX_EVENTS),
}) satisfies z.ZodType<Pick<EventSendParams, 'events'>>;

const typeFilter = listOf(z.enum(eventTypes));

const listQuery = z.object({
  ...createdParams,
  limit: limitUpTo(MAX_EVENTS, DEFAULT_EVENTS),
  order,
  page: z.string().exactOptional(),
  'types[]': typeFilter,
  types: typeFilter,
});

const deltas = listOf(z.enum(['agent.message', 'agent.thinking']));
const streamQuery = z.object({ 'event_deltas[]': deltas, event_deltas: deltas });

export interface EventRoutesDeps extends SendDeps, StreamDeps {
  log: SendDeps['log'] & Pick<SessionLog, 'find' | 'list'>;
}

/** `/v1/sessions/{id}/events`. `admitStream` lets in what will be a stream. */
export function eventRoutes(deps: EventRoutesDeps, admitStream: RequestHandler): Router {
  const routes = Router();
  routes.post(
    '/:id/events',
    answering(async (req: ById & { body?: unknown }, res) => {
      const { events } = bodyOf(req, sendSchema);
      const data = await sendEvents(deps, refOf(req, res), events.filter(isQueued), actorOf(res));
      return { data } satisfies BetaManagedAgentsSendSessionEvents;
    }),
  );
  routes.get(
    '/:id/events',
    answering(async (req: ById & { query: unknown }, res) => {
      const query = queryOf(req, listQuery);
      const types = query['types[]'] ?? query.types;
      const direction = query.order ?? 'asc';
      const { entries, more } = await deps.log.list({
        ...refOf(req, res),
        ...(types === undefined ? {} : { types }),
        created: createdOf(query),
        order: direction,
        limit: query.limit,
        ...(query.page === undefined ? {} : fromCursor(query.page, direction)),
      });
      const last = entries.at(-1);
      const next_page = more && last !== undefined ? toCursor(last, direction) : null;
      return { data: entries.map((entry) => entry.event), next_page };
    }),
  );
  routes.get(
    '/:id/events/stream',
    admitStream,
    async (req: ById & Pick<Request, 'method' | 'query'>, res: Response) => {
      // Express asks this route for a HEAD too, whose answer has no body to stream.
      if (req.method === 'HEAD')
        throw new ApiError(405, 'invalid_request_error', 'A stream can only be asked for by GET.');
      const query = queryOf(req, streamQuery);
      await streamEvents(deps, refOf(req, res), query['event_deltas[]'] ?? query.event_deltas ?? [], res);
    },
  );
  return routes;
}

/** Outcomes do not get past the schema; this says so to the compiler. */
function isQueued(event: z.output<typeof eventSchema>): event is QueuedParams {
  return event.type !== 'user.define_outcome';
}

function toCursor(last: LogEntry, direction: 'asc' | 'desc'): string {
  return Buffer.from(`${direction}:${last.seq}`).toString('base64url');
}

function fromCursor(page: string, direction: 'asc' | 'desc'): Pick<EventQuery, 'after_seq' | 'before_seq'> {
  const [, way, digits] = /^(asc|desc):(\d{1,12})$/.exec(Buffer.from(page, 'base64url').toString()) ?? [];
  if (way !== direction) throw new InvalidInputError('is not a page of this list; start again without it', 'page');
  return direction === 'asc' ? { after_seq: Number(digits) } : { before_seq: Number(digits) };
}
