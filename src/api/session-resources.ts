import type { BetaManagedAgentsDeleteSessionResource } from '@anthropic-ai/sdk/resources/beta/sessions/resources';
import { Router } from 'express';
import { z } from 'zod';
import { InvalidInputError, SessionClosedError } from '../errors.ts';
import type { Files } from '../resources/files.ts';
import { fileResourceSchema, mountedFile, mountFile, toResource } from '../resources/session-resources.ts';
import type { Sessions } from '../resources/sessions.ts';
import { answering, bodyOf } from './body.ts';
import { pageBody, pageParams, queryOf } from './query.ts';
import { refOf } from './sessions.ts';

interface ById {
  params: { id: string };
}

interface ByResource {
  params: { id: string; resource: string };
}

const updateSchema = z.strictObject({ authorization_token: z.string() });
const listQuery = z.object(pageParams);

export interface ResourceRoutesDeps {
  sessions: Pick<Sessions, 'getSession'>;
  files: Pick<Files, 'among' | 'get' | 'keep' | 'list' | 'read' | 'remove'>;
}

/** `/v1/sessions/{id}/resources` */
export function resourceRoutes({ sessions, files }: ResourceRoutesDeps): Router {
  const routes = Router();
  routes.post(
    '/:id/resources',
    answering(async (req: ById & { body?: unknown }, res) => {
      const params = bodyOf(req, fileResourceSchema);
      const ref = refOf(req, res);
      const { archived_at } = await sessions.getSession(ref);
      if (archived_at !== null) throw new SessionClosedError(ref.session_id, 'archived');
      return toResource(await mountFile(files, ref, params));
    }),
  );
  routes.get(
    '/:id/resources',
    answering(async (req: ById & { query: unknown }, res) => {
      const request = queryOf(req, listQuery);
      const { workspace_id, session_id } = refOf(req, res);
      await sessions.getSession({ workspace_id, session_id });
      return pageBody(await files.list(workspace_id, { ...request, session_id, purpose: 'upload' }), toResource);
    }),
  );
  routes.get(
    '/:id/resources/:resource',
    answering(async (req: ByResource, res) =>
      toResource(await mountedFile(files, refOf(req, res), req.params.resource)),
    ),
  );
  routes.post(
    '/:id/resources/:resource',
    answering(async (req: ByResource & { body?: unknown }, res) => {
      bodyOf(req, updateSchema);
      await mountedFile(files, refOf(req, res), req.params.resource);
      throw new InvalidInputError('a file has no token to change', 'authorization_token');
    }),
  );
  routes.delete(
    '/:id/resources/:resource',
    answering(async (req: ByResource, res) => {
      const { resource } = req.params;
      const { workspace_id, session_id } = refOf(req, res);
      const file = await mountedFile(files, { workspace_id, session_id }, resource);
      await files.remove(workspace_id, file._id);
      return { id: resource, type: 'session_resource_deleted' } satisfies BetaManagedAgentsDeleteSessionResource;
    }),
  );
  return routes;
}
