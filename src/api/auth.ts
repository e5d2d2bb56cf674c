import type { Request, RequestHandler, Response } from 'express';
import type { ApiKeyHolder, ApiKeys } from '../resources/api-keys.ts';
import type { Actor } from '../session/event.ts';
import { ApiError } from './errors.ts';

/**
 * Lets a request in whose `x-api-key` (or bearer token) is known. It then acts in that key's workspace and no other.
 */
export function authenticate(keys: Pick<ApiKeys, 'verify'>): RequestHandler {
  return async (req, res, next) => {
    const key = keyOf(req);
    if (key === null) {
      throw new ApiError(401, 'authentication_error', 'An API key is needed: send it in the x-api-key header.');
    }
    const holder = await keys.verify(key);
    if (holder === null) throw new ApiError(401, 'authentication_error', 'This API key is not valid.');
    const wanted = req.get('anthropic-workspace-id');
    if (wanted !== undefined && wanted !== holder.workspace_id) {
      throw new ApiError(403, 'permission_error', 'This API key belongs to another workspace.');
    }
    holders.set(res, holder);
    next();
  };
}

// Not on the request, whose properties any middleware may set.
const holders = new WeakMap<Response, ApiKeyHolder>();

function holderOf(res: Response): ApiKeyHolder {
  const holder = holders.get(res);
  if (holder === undefined) throw new Error('A route was reached without authentication');
  return holder;
}

/** The workspace that a request acts in. */
export function workspaceOf(res: Response): string {
  return holderOf(res).workspace_id;
}

/** Who the log says it was. */
export function actorOf(res: Response): Actor {
  const { key_id, name } = holderOf(res);
  return { via: 'api', id: key_id, name: `API key ${name}` };
}

function keyOf(req: Request): string | null {
  // The SDK sends a bearer token; an empty header beside it is none.
  const key = req.get('x-api-key') || /^Bearer +(.+)$/i.exec(req.get('authorization') ?? '')?.[1];
  return key === undefined || key === '' ? null : key;
}
