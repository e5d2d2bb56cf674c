import type { Request, RequestHandler } from 'express';
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

/** Lets in what there is room for, before its body is read; anything else is a 429 with `Retry-After`. */
export function admit(limits: AdmissionLimits): RequestHandler {
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

  return (req, res, next) => {
    const workspace = workspaceOf(res);
    const isStream = req.path.endsWith('/events/stream');
    const wanted = isStream
      ? [{ shares: streams, weight: 1 }]
      : [
          { shares: requests, weight: 1 },
          { shares: bytes, weight: bodyBytesOf(req) },
        ];
    for (const { shares, weight } of wanted) {
      const refusal = shares.refusal(workspace, weight);
      if (refusal === null) continue;
      res.set('retry-after', String(RETRY_AFTER_S));
      throw new ApiError(429, 'rate_limit_error', `${refusal}. Try again in a moment.`);
    }
    for (const { shares, weight } of wanted) shares.add(workspace, weight);
    res.once('close', () => {
      for (const { shares, weight } of wanted) shares.add(workspace, -weight);
    });
    next();
  };
}

/** Something of which there is so much, and so much for one workspace. `words` stand in refusals. */
function createShares(most: number, most_of_workspace: number, words: { all: string; workspace: string }) {
  const ofWorkspace = new Map<string, number>();
  let taken = 0;

  return {
    /** Why there is not so much more of it for this workspace; null when there is. */
    refusal(workspace: string, weight: number): string | null {
      if (taken + weight > most) return words.all;
      return (ofWorkspace.get(workspace) ?? 0) + weight > most_of_workspace ? words.workspace : null;
    },
    add(workspace: string, weight: number): void {
      taken += weight;
      const now = (ofWorkspace.get(workspace) ?? 0) + weight;
      if (now > 0) ofWorkspace.set(workspace, now);
      else ofWorkspace.delete(workspace);
    },
  };
}

/** What its body may weigh: as it says, and what it may at most when it does not say. */
function bodyBytesOf(req: Request): number {
  const said = Number(req.get('content-length') ?? Number.NaN);
  if (Number.isFinite(said)) return Math.min(said, MAX_BODY_BYTES);
  return req.get('transfer-encoding') === undefined ? 0 : MAX_BODY_BYTES;
}
