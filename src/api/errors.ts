import type { ErrorType } from '@anthropic-ai/sdk/resources/shared';
import type { ErrorRequestHandler, RequestHandler } from 'express';
import {
  ConflictError,
  FilesFullError,
  FileTooLargeError,
  InvalidInputError,
  LogMovedError,
  messageOf,
  NotFoundError,
  SessionClosedError,
} from '../errors.ts';
import type { Logger } from '../logger.ts';
import { requestIdOf } from './request-id.ts';

/** An answer that is an error, in the API's words. */
export class ApiError extends Error {
  readonly status: number;
  readonly type: ErrorType;

  constructor(status: number, type: ErrorType, message: string) {
    super(message);
    this.name = 'ApiError';
    this.status = status;
    this.type = type;
  }
}

interface Answer {
  status: number;
  type: ErrorType;
  message: string;
  error_code?: string;
}

/** Unknown paths and methods answer in the API's shape, too. */
export const refuseUnknownRoute: RequestHandler = (req) => {
  throw new ApiError(404, 'not_found_error', `There is no ${req.method} ${req.baseUrl}${req.path}.`);
};

/** Turns whatever a route threw into the API's error body. Only what is nobody's input is a 5xx, and only that is logged. */
export function createErrorHandler(logger: Logger): ErrorRequestHandler {
  return (error: unknown, req, res, next) => {
    const request_id = requestIdOf(res);
    const { status, type, message, error_code } = answerTo(error);
    if (status >= 500) logger.error({ err: error, request_id, path: req.path }, 'API request failed');
    // Too late for an answer: let Express close the connection.
    if (res.headersSent) {
      next(error);
      return;
    }
    const details = error_code === undefined ? {} : { details: { error_code } };
    res.status(status).json({ type: 'error', error: { type, message, ...details }, request_id });
  };
}

function answerTo(error: unknown): Answer {
  if (error instanceof ApiError) return { status: error.status, type: error.type, message: error.message };
  if (error instanceof InvalidInputError) {
    return {
      status: 400,
      type: 'invalid_request_error',
      message: error.message,
      ...(error.reason === undefined ? {} : { error_code: error.reason }),
    };
  }
  if (error instanceof SessionClosedError) {
    return { status: 400, type: 'invalid_request_error', message: error.message };
  }
  if (error instanceof NotFoundError) return { status: 404, type: 'not_found_error', message: error.message };
  if (error instanceof ConflictError || error instanceof LogMovedError) {
    return { status: 409, type: 'conflict_error', message: error.message };
  }
  if (error instanceof FileTooLargeError || error instanceof FilesFullError) {
    return { status: 413, type: 'invalid_request_error', message: error.message };
  }
  const status = statusOf(error);
  if (status >= 400 && status < 500) return { status, type: 'invalid_request_error', message: messageOf(error) };
  return { status: 500, type: 'api_error', message: 'Something went wrong here. It was logged under this request id.' };
}

/** Express and its body parser put the status of a bad request on the error. */
function statusOf(error: unknown): number {
  if (typeof error !== 'object' || error === null || !('status' in error)) return 500;
  return typeof error.status === 'number' ? error.status : 500;
}
