import { Router } from 'express';
import { z } from 'zod';
import { agentCreateSchema, agentUpdateSchema } from '../resources/agent-config.ts';
import { type Agents, toAgent } from '../resources/agents.ts';
import { workspaceOf } from './auth.ts';
import { answering, bodyOf } from './body.ts';
import { createdOf, createdParams, includeArchived, pageBody, pageParams, queryOf, version } from './query.ts';

interface ById {
  params: { id: string };
}

const listQuery = z.object({ ...pageParams, ...createdParams, include_archived: includeArchived });
const versionsQuery = z.object(pageParams);
const getQuery = z.object({ version });

/** `/v1/agents` */
export function agentRoutes(agents: Agents): Router {
  const routes = Router();
  routes.post(
    '/',
    answering(async (req: { body?: unknown }, res) =>
      toAgent(await agents.create(workspaceOf(res), bodyOf(req, agentCreateSchema))),
    ),
  );
  routes.get(
    '/',
    answering(async (req: { query: unknown }, res) => {
      const query = queryOf(req, listQuery);
      return pageBody(await agents.list(workspaceOf(res), { ...query, created: createdOf(query) }), toAgent);
    }),
  );
  routes.get(
    '/:id',
    answering(async (req: ById & { query: unknown }, res) =>
      toAgent(await agents.get(workspaceOf(res), req.params.id, queryOf(req, getQuery).version)),
    ),
  );
  routes.post(
    '/:id',
    answering(async (req: ById & { body?: unknown }, res) =>
      toAgent(await agents.update(workspaceOf(res), req.params.id, bodyOf(req, agentUpdateSchema))),
    ),
  );
  routes.post(
    '/:id/archive',
    answering(async (req: ById, res) => toAgent(await agents.archive(workspaceOf(res), req.params.id))),
  );
  routes.get(
    '/:id/versions',
    answering(async (req: ById & { query: unknown }, res) =>
      pageBody(await agents.listVersions(workspaceOf(res), req.params.id, queryOf(req, versionsQuery)), toAgent),
    ),
  );
  return routes;
}
