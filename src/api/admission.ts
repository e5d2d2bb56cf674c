import type { Request, RequestHandler, Response } from 'express';
import { workspaceOf } from './auth.ts';
import { MAX_BODY_BYTES } from './body.ts';
import { ApiError } from './errors.ts';

/**
 * What one process takes on at once, and of it for one workspace: one that floods leaves room for the others. More is told to
 * come again, so that a flood costs its sender time and nobody memory.
 */
export interface AdmissionLimits {
  /** Requests under way. */
  requests: number;
  requests_of_workspace: number;
  /** Bytes of the bodies of the requests under way. */
  body_bytes: number;
  body_bytes_of_workspace: number;
  /** Open event streams. */
  streams: number;
  streams_of_workspace: number;
}

export const ADMISSION: AdmissionLimits = {
  requests: 4_000,
  requests_of_workspace: 2_000,
  body_bytes: 256 * 1024 * 1024,
  body_bytes_of_workspace: 128 * 1024 * 1024,
  streams: 5_000,
  streams_of_workspace: 2_500,
};

/** What is under way is over in moments. */
const RETRY_AFTER_S = 1;

/** Both let in what there is room for; anything else is a 429 with `Retry-After`. */
export interface Admission {
  /** For every request, before its body is read. */
  request: RequestHandler;
  /** For a route that answers with an event stream, which may stay open for days: it is counted among these instead. */
  stream: RequestHandler;
}

export function createAdmission(limits: AdmissionLimits): Admission {
  const requests = createShares(limits.requests, limits.requests_of_workspace, {
    all: 'Too many requests are under way',
    workspace: 'Too many requests of this workspace are under way',
  });
  const bytes = createShares(limits.body_bytes, limits.body_bytes_of_workspace, {
    all: 'The requests under way are too large together',
    workspace: 'The requests of this workspace that are under way are too large together',
  });
  const streams = createShares(limits.streams, limits.streams_of_workspace, {
    all: 'Too many event streams are open',
    workspace: 'Too many event streams of this workspace are open',
  });
  /** How to give back what a request has taken as a request. Its body stays with it for as long as it is under way. */
  const givingBack = new WeakMap<Response, () => void>();

  return {
    request(req, res, next) {
      // Nobody waits for an answer any more, and nothing would give back what it took.
      if (res.destroyed) return;
      givingBack.set(res, requests.take(res, 1));
      bytes.take(res, bodyBytesOf(req));
      next();
    },
    stream(_req, res, next) {
      if (res.destroyed) return;
      streams.take(res, 1);
      givingBack.get(res)?.();
      next();
    },
  };
}

/** Something of which there is so much, and so much for one workspace. `words` stand in refusals. */
function createShares(most: number, most_of_workspace: number, words: { all: string; workspace: string }) {
  const ofWorkspace = new Map<string, number>();
  let taken = 0;

  function add(workspace: string, weight: number): void {
    taken += weight;
    const now = (ofWorkspace.get(workspace) ?? 0) + weight;
    if (now > 0) ofWorkspace.set(workspace, now);
    else ofWorkspace.delete(workspace);
  }

  return {
    /** Until the response is closed, or what is returned is called. @throws ApiError when there is not so much of it */
    take(res: Response, weight: number): () => void {
      const workspace = workspaceOf(res);
      if (taken + weight > most) throw refusalOf(res, words.all);
      if ((ofWorkspace.get(workspace) ?? 0) + weight > most_of_workspace) throw refusalOf(res, words.workspace);
      add(workspace, weight);
      const giveBack = (): void => {
        res.off('close', giveBack);
        add(workspace, -weight);
      };
      res.once('close', giveBack);
      return giveBack;
    },
  };
}

function refusalOf(res: Response, words: string): ApiError {
  res.set('retry-after', String(RETRY_AFTER_S));
  return new ApiError(429, 'rate_limit_error', `${words}. Try again in a moment.`);
}

/** What its body may weigh in memory: as it says, and what it may at most when it does not say, or unpacks to more. */
function bodyBytesOf(req: Request): number {
  const said = req.get('content-length');
  if (said === '0' || (said === undefined && req.get('transfer-encoding') === undefined)) return 0;
  const isPacked = (req.get('content-encoding') ?? 'identity').toLowerCase() !== 'identity';
  return said === undefined || isPacked ? MAX_BODY_BYTES : Math.min(Number(said), MAX_BODY_BYTES);
}
