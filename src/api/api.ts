import { Router } from 'express';
import type { Logger } from '../logger.ts';
import type { Agents } from '../resources/agents.ts';
import type { ApiKeys } from '../resources/api-keys.ts';
import type { Environments } from '../resources/environments.ts';
import type { Sessions } from '../resources/sessions.ts';
import { ADMISSION, type AdmissionLimits, createAdmission } from './admission.ts';
import { agentRoutes } from './agents.ts';
import { authenticate } from './auth.ts';
import { readBody } from './body.ts';
import { environmentRoutes } from './environments.ts';
import { createErrorHandler, refuseUnknownRoute } from './errors.ts';
import { type FileRoutesDeps, fileRoutes } from './files.ts';
import { nameRequest } from './request-id.ts';
import { type EventRoutesDeps, eventRoutes } from './session-events.ts';
import { resourceRoutes } from './session-resources.ts';
import { type SessionRoutesDeps, sessionRoutes } from './sessions.ts';
import { createUnread, UNREAD } from './unread.ts';

export interface ApiDeps extends Omit<EventRoutesDeps, 'unread'> {
  agents: Agents;
  environments: Environments;
  sessions: Sessions;
  files: FileRoutesDeps & SessionRoutesDeps['files'];
  keys: Pick<ApiKeys, 'verify'>;
  logger: Logger;
  /** Other limits than the usual ones. */
  limits?: Partial<AdmissionLimits>;
}

/**
 * The Managed Agents HTTP API, to be mounted at `/v1`: the official `@anthropic-ai/sdk` is a client of it. Errors have
 * the API's own shape, also for unknown paths and bodies that are no JSON.
 */
export function createApi(deps: ApiDeps): Router {
  const api = Router();
  const admission = createAdmission({ ...ADMISSION, ...deps.limits });
  api.use(nameRequest);
  api.use(authenticate(deps.keys));
  api.use(admission.request);
  api.use('/files', fileRoutes(deps));
  api.use(...readBody);
  api.use('/agents', agentRoutes(deps.agents));
  api.use('/environments', environmentRoutes(deps.environments));
  api.use(
    '/sessions',
    sessionRoutes(deps),
    eventRoutes({ ...deps, unread: createUnread(UNREAD) }, admission.stream),
    resourceRoutes(deps),
  );
  api.use(refuseUnknownRoute);
  api.use(createErrorHandler(deps.logger));
  return api;
}
