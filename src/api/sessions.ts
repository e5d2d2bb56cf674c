import type { BetaManagedAgentsDeletedSession } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { type Response, Router } from 'express';
import { z } from 'zod';
import { sessionCreateSchema, sessionUpdateSchema } from '../resources/session-config.ts';
import { toSession } from '../resources/session-document.ts';
import type { Sessions } from '../resources/sessions.ts';
import type { SessionRef } from '../session/log.ts';
import { actorOf, workspaceOf } from './auth.ts';
import { answering, bodyOf } from './body.ts';
import { createdOf, createdParams, includeArchived, listOf, order, pageParams, queryOf, version } from './query.ts';

interface ById {
  params: { id: string };
}

const listQuery = z.object({
  ...pageParams,
  ...createdParams,
  agent_id: z.string().exactOptional(),
  agent_version: version,
  include_archived: includeArchived,
  order,
  'statuses[]': listOf(z.enum(['idle', 'running', 'rescheduling', 'terminated'])),
  // Filters on what this version of Deckhand does not have: nothing matches them.
  deployment_id: z.string().exactOptional(),
  memory_store_id: z.string().exactOptional(),
});

/** The session that a route's path names, in the workspace of the request's key. */
export function refOf(req: ById, res: Response): SessionRef {
  return { workspace_id: workspaceOf(res), session_id: req.params.id };
}

/** `/v1/sessions`, without what is below `/events` */
export function sessionRoutes(sessions: Sessions): Router {
  const routes = Router();
  routes.post(
    '/',
    answering(async (req: { body?: unknown }, res) => {
      const params = bodyOf(req, sessionCreateSchema);
      return toSession(await sessions.create(workspaceOf(res), params, { by: actorOf(res) }));
    }),
  );
  routes.get(
    '/',
    answering(async (req: { query: unknown }, res) => {
      const { 'statuses[]': statuses, deployment_id, memory_store_id, ...query } = queryOf(req, listQuery);
      if (deployment_id !== undefined || memory_store_id !== undefined) {
        return { data: [], next_page: null, prev_page: null };
      }
      const page = await sessions.list(workspaceOf(res), {
        ...query,
        created: createdOf(query),
        ...(statuses === undefined ? {} : { statuses }),
      });
      const now = new Date();
      return {
        data: page.items.map((session) => toSession(session, now)),
        next_page: page.next_page,
        prev_page: page.prev_page,
      };
    }),
  );
  routes.get(
    '/:id',
    answering(async (req: ById, res) => toSession(await sessions.getSession(refOf(req, res)))),
  );
  routes.post(
    '/:id',
    answering(async (req: ById & { body?: unknown }, res) =>
      toSession(await sessions.update(refOf(req, res), bodyOf(req, sessionUpdateSchema))),
    ),
  );
  routes.post(
    '/:id/archive',
    answering(async (req: ById, res) => toSession(await sessions.archive(refOf(req, res)))),
  );
  routes.delete(
    '/:id',
    answering(async (req: ById, res) => {
      await sessions.remove(refOf(req, res));
      return { id: req.params.id, type: 'session_deleted' } satisfies BetaManagedAgentsDeletedSession;
    }),
  );
  return routes;
}
