import type { Request, RequestHandler } from 'express';
import { workspaceOf } from './auth.ts';
import { MAX_BODY_BYTES } from './body.ts';
import { ApiError } from './errors.ts';

/** What one process takes on at once. More is told to come again, so that a flood costs its sender time and nobody memory. */
export interface AdmissionLimits {
  /** Requests under way, all together. */
  requests: number;
  /** Of these, for one workspace: one that floods leaves room for the others. */
  requests_of_workspace: number;
  /** Bytes of the bodies of all requests under way. */
  body_bytes: number;
  /** Open event streams. */
  streams: number;
}

export const ADMISSION: AdmissionLimits = {
  requests: 4_000,
  requests_of_workspace: 2_000,
  body_bytes: 256 * 1024 * 1024,
  streams: 5_000,
};

/** What is under way is over in moments. */
const RETRY_AFTER_S = 1;

/** Lets in what there is room for, before its body is read; anything else is a 429 with `Retry-After`. */
export function admit(limits: AdmissionLimits): RequestHandler {
  const ofWorkspace = new Map<string, number>();
  let requests = 0;
  let bytes = 0;
  let streams = 0;

  return (req, res, next) => {
    const refuse = (what: string): never => {
      res.set('retry-after', String(RETRY_AFTER_S));
      throw new ApiError(429, 'rate_limit_error', `${what}. Try again in a moment.`);
    };
    if (req.path.endsWith('/events/stream')) {
      if (streams >= limits.streams) refuse('Too many event streams are open');
      streams += 1;
      res.once('close', () => {
        streams -= 1;
      });
      next();
      return;
    }
    const workspace = workspaceOf(res);
    const mine = ofWorkspace.get(workspace) ?? 0;
    const weight = bodyBytesOf(req);
    if (requests >= limits.requests) refuse('Too many requests are under way');
    if (mine >= limits.requests_of_workspace) refuse('Too many requests of this workspace are under way');
    if (bytes + weight > limits.body_bytes) refuse('The requests under way are too large together');
    requests += 1;
    bytes += weight;
    ofWorkspace.set(workspace, mine + 1);
    res.once('close', () => {
      requests -= 1;
      bytes -= weight;
      const left = (ofWorkspace.get(workspace) ?? 0) - 1;
      if (left > 0) ofWorkspace.set(workspace, left);
      else ofWorkspace.delete(workspace);
    });
    next();
  };
}

/** What its body may weigh: as it says, and what it may at most when it does not say. */
function bodyBytesOf(req: Request): number {
  const said = Number(req.get('content-length') ?? Number.NaN);
  if (Number.isFinite(said)) return Math.min(said, MAX_BODY_BYTES);
  return req.get('transfer-encoding') === undefined ? 0 : MAX_BODY_BYTES;
}
