import { randomUUID } from 'node:crypto';
import type { RequestHandler, Response } from 'express';

const HEADER = 'request-id';

/** Gives every answer an id that the SDK shows and the log names. */
export const nameRequest: RequestHandler = (_req, res, next) => {
  res.setHeader(HEADER, `req_${randomUUID().replaceAll('-', '')}`);
  next();
};

export function requestIdOf(res: Response): string | null {
  const id = res.getHeader(HEADER);
  return typeof id === 'string' ? id : null;
}
