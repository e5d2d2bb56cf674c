import { Router } from 'express';
import { z } from 'zod';
import { environmentCreateSchema, environmentUpdateSchema } from '../resources/environment-config.ts';
import { type Environments, toEnvironment } from '../resources/environments.ts';
import { workspaceOf } from './auth.ts';
import { answering, bodyOf } from './body.ts';
import { includeArchived, pageBody, pageParams, queryOf } from './query.ts';

interface ById {
  params: { id: string };
}

const listQuery = z.object({ ...pageParams, include_archived: includeArchived });

/** `/v1/environments` */
export function environmentRoutes(environments: Environments): Router {
  const routes = Router();
  routes.post(
    '/',
    answering(async (req: { body?: unknown }, res) =>
      toEnvironment(await environments.create(workspaceOf(res), bodyOf(req, environmentCreateSchema))),
    ),
  );
  routes.get(
    '/',
    answering(async (req: { query: unknown }, res) =>
      pageBody(await environments.list(workspaceOf(res), queryOf(req, listQuery)), toEnvironment),
    ),
  );
  routes.get(
    '/:id',
    answering(async (req: ById, res) => toEnvironment(await environments.get(workspaceOf(res), req.params.id))),
  );
  routes.post(
    '/:id',
    answering(async (req: ById & { body?: unknown }, res) =>
      toEnvironment(await environments.update(workspaceOf(res), req.params.id, bodyOf(req, environmentUpdateSchema))),
    ),
  );
  routes.post(
    '/:id/archive',
    answering(async (req: ById, res) => toEnvironment(await environments.archive(workspaceOf(res), req.params.id))),
  );
  routes.delete(
    '/:id',
    answering(async (req: ById, res) => {
      await environments.remove(workspaceOf(res), req.params.id);
      return { id: req.params.id, type: 'environment_deleted' };
    }),
  );
  return routes;
}
