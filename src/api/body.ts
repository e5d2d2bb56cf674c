import { json, type RequestHandler, type Response } from 'express';
import type { z } from 'zod';
import { InvalidInputError } from '../errors.ts';
import { parse } from '../resources/parse.ts';
import { findUnstorable } from '../session/storable.ts';

/** Largest request body in bytes: what one append to a log can hold. */
export const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** Reads JSON whatever its content type says, and refuses what could not be stored as it is. */
export const readBody: RequestHandler[] = [
  json({ limit: MAX_BODY_BYTES, type: () => true }),
  (req, _res, next) => {
    const bad = findUnstorable(req.body);
    if (bad !== null) throw new InvalidInputError(bad.problem, bad.path);
    next();
  },
];

/** The body as the schema gives it. @throws InvalidInputError */
export function bodyOf<T>(req: { body?: unknown }, schema: z.ZodType<T>): T {
  return parse(schema, req.body ?? {});
}

/** Answers with what a handler returns. */
export function answering<Req>(handler: (req: Req, res: Response) => Promise<object>) {
  return async (req: Req, res: Response): Promise<void> => {
    res.json(await handler(req, res));
  };
}
