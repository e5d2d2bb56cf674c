import type {
  BetaManagedAgentsDeletedSession,
  BetaManagedAgentsSession,
} from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { type Response, Router } from 'express';
import { z } from 'zod';
import type { Files } from '../resources/files.ts';
import { sessionCreateSchema, sessionUpdateSchema } from '../resources/session-config.ts';
import { type SessionDocument, toSession } from '../resources/session-document.ts';
import { mountFile, toResource } from '../resources/session-resources.ts';
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

export interface SessionRoutesDeps {
  sessions: Sessions;
  files: Pick<Files, 'get' | 'keep' | 'read' | 'remove' | 'uploadsOf'>;
}

/** `/v1/sessions`, without what is below `/events` and `/resources` */
export function sessionRoutes({ sessions, files }: SessionRoutesDeps): Router {
  const routes = Router();

  /** With what is mounted in them. */
  async function show(
    workspace_id: string,
    documents: readonly SessionDocument[],
  ): Promise<BetaManagedAgentsSession[]> {
    const ids = documents.map(({ _id }) => _id);
    const mounted = ids.length === 0 ? [] : await files.uploadsOf(workspace_id, ids);
    const now = new Date();
    return documents.map((session) => {
      const own = mounted.filter(({ session_id }) => session_id === session._id);
      return toSession(session, own.map(toResource), now);
    });
  }

  async function showOne(session: SessionDocument): Promise<BetaManagedAgentsSession> {
    const [shown] = await show(session.workspace_id, [session]);
    return shown ?? toSession(session, []);
  }

  routes.post(
    '/',
    answering(async (req: { body?: unknown }, res) => {
      const { resources = [], ...params } = bodyOf(req, sessionCreateSchema);
      const by = actorOf(res);
      if (resources.length === 0) return toSession(await sessions.create(workspaceOf(res), params, { by }), []);
      const session = await sessions.create(workspaceOf(res), params, {
        by,
        async prepare(ref) {
          for (const [index, file] of resources.entries()) {
            await mountFile(files, ref, file, `resources.${index}.mount_path`);
          }
        },
      });
      return showOne(session);
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
      return {
        data: await show(workspaceOf(res), page.items),
        next_page: page.next_page,
        prev_page: page.prev_page,
      };
    }),
  );
  routes.get(
    '/:id',
    answering(async (req: ById, res) => showOne(await sessions.getSession(refOf(req, res)))),
  );
  routes.post(
    '/:id',
    answering(async (req: ById & { body?: unknown }, res) =>
      showOne(await sessions.update(refOf(req, res), bodyOf(req, sessionUpdateSchema))),
    ),
  );
  routes.post(
    '/:id/archive',
    answering(async (req: ById, res) => showOne(await sessions.archive(refOf(req, res)))),
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
