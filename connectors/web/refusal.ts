import type { ErrorRequestHandler } from 'express';
import { ZodError, type ZodType } from 'zod';
import { InvalidInputError, messageOf } from '../../src/errors.ts';
import type { Logger } from '../../src/logger.ts';
import type { ErrorBody } from './wire.ts';

/** A request answered with an error status. The message is a sentence for the person at the page. */
export class Refusal extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = 'Refusal';
    this.status = status;
    this.code = code;
  }
}

/** @throws InvalidInputError that names the first field that breaks the schema. */
export function parseInput<T>(schema: ZodType<T>, input: unknown): T {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw invalidInput(parsed.error);
}

function invalidInput(error: ZodError): InvalidInputError {
  const issue = error.issues[0];
  const path = issue?.path.join('.');
  return new InvalidInputError(issue?.message ?? 'Invalid request.', path === '' ? undefined : path);
}

/** Turns what a route threw into the API's error shape; what nobody expected is logged and kept to ourselves. */
export function createErrorHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, _next) => {
    if (response.headersSent) {
      response.destroy();
      return;
    }
    const { status, body } = answerTo(error);
    if (status >= 500) logger.error({ err: error }, 'web request failed');
    response.status(status).json(body);
  };
}

function answerTo(error: unknown): { status: number; body: ErrorBody } {
  if (error instanceof Refusal) return { status: error.status, body: bodyOf(error.code, error.message) };
  if (error instanceof InvalidInputError) {
    const body = bodyOf(error.code, error.message);
    return { status: 400, body: error.path === undefined ? body : { error: { ...body.error, path: error.path } } };
  }
  const status = statusOf(error);
  if (status !== null) return { status, body: bodyOf('invalid_request', messageOf(error)) };
  return { status: 500, body: bodyOf('internal', 'Something went wrong here. Try again.') };
}

function bodyOf(code: string, message: string): ErrorBody {
  return { error: { code, message } };
}

/** Express's body parser throws errors with a 4xx `status` and a message fit to show. */
function statusOf(error: unknown): number | null {
  const status = error instanceof Error && 'status' in error ? error.status : null;
  return typeof status === 'number' && status >= 400 && status < 500 ? status : null;
}
