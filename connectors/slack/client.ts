import {
  type Logger as SlackLogger,
  WebAPIHTTPError,
  WebAPIPlatformError,
  WebAPIRateLimitedError,
  WebClient,
  type WebClientOptions,
} from '@slack/web-api';
import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import { timeLimit } from '../../src/signals.ts';

/** The Web API with the contract's errors. */
export interface SlackClient {
  /**
   * Make one call.
   * @throws RateLimitedError with Slack's Retry-After; PostRefusedError when Slack said no and will say no again;
   *   anything else means that the outcome is unknown (or that the token needs an operator).
   */
  call<T>(run: (web: WebClient) => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** Answers that say nothing about the message: the same call may succeed later. */
const PASSING = new Set([
  'fatal_error',
  'internal_error',
  'request_timeout',
  'service_unavailable',
  'team_added_to_org',
  'external_channel_migrating',
  'accesslimited',
]);
/** The installation is at fault, not the message: an operator mends it, and then the message can go out. */
const OPERATOR = new Set([
  'not_authed',
  'invalid_auth',
  'account_inactive',
  'token_revoked',
  'token_expired',
  'missing_scope',
  'no_permission',
  'org_login_required',
  'ekm_access_denied',
]);
/** A `ratelimited` answer without a Retry-After header: posting is allowed about once a second per channel. */
const DEFAULT_WAIT_S = 1;
/** A hung connection must not hold a delivery for ever. */
const TIMEOUT_MS = 15_000;

/** What a failed call means to the caller. */
function translated(error: unknown): unknown {
  if (error instanceof WebAPIRateLimitedError) return new RateLimitedError(error.retryAfter * 1_000);
  if (!(error instanceof WebAPIPlatformError)) return error;
  const { error: reason, response_metadata: metadata } = error.data;
  if (reason === 'ratelimited' || reason === 'rate_limited') {
    return new RateLimitedError((metadata?.retryAfter ?? DEFAULT_WAIT_S) * 1_000);
  }
  if (reason === undefined || PASSING.has(reason) || OPERATOR.has(reason)) return error;
  return new PostRefusedError(reason, { cause: error });
}

/** Slack's word for what is wrong, where it answered with one. */
export function platformErrorOf(error: unknown): string | null {
  return error instanceof WebAPIPlatformError ? error.data.error : null;
}

/** The app may not do this at all, until an operator gives it leave. */
export function isWithoutLeave(reason: string | null): reason is string {
  return reason === 'missing_scope' || reason === 'no_permission';
}

/** Slack, or something before it, answered that it could not. As a rule nothing was done; 502 and 504 do not say. */
export function isTrouble(error: unknown): boolean {
  return error instanceof WebAPIHTTPError && error.statusCode >= 500;
}

export interface SlackClientOptions {
  /** Undefined: for calls that take none. */
  token: string | undefined;
  api_url: string | null;
  logger: SlackLogger;
}

/**
 * The library's own retries are off: it would repeat a post whose answer was lost, and sleep through a rate limit that
 * the delivery queue can use for something else.
 */
export function createSlackClient({ token, api_url, logger }: SlackClientOptions): SlackClient {
  const options: WebClientOptions = {
    ...(api_url !== null && { slackApiUrl: api_url }),
    logger,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    // Its queue would carry one call's signal over to another.
    maxRequestConcurrency: Number.POSITIVE_INFINITY,
  };

  /** The library has no signal for one call. A client of its own costs a tenth of a millisecond; an async context costs all promises. */
  function clientFor(signal: AbortSignal): WebClient {
    return new WebClient(token, {
      ...options,
      fetch: (input, init) => fetch(input, { ...init, signal }),
    });
  }

  return {
    async call(run, signal) {
      signal.throwIfAborted();
      try {
        // The library's own limit would keep all of a call until its time had come.
        using limit = timeLimit(TIMEOUT_MS, [signal]);
        return await run(clientFor(limit.signal));
      } catch (error) {
        throw translated(error);
      }
    },
  };
}
