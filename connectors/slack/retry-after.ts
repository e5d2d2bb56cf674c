import { RateLimitedError } from '../../src/chat/connector.ts';

/** Where Slack does not say it. */
const DEFAULT_WAIT_S = 1;

/** What a 429 outside the Web API asks for, by its header `Retry-After`. */
export function rateLimitOf(header: string | null | undefined): RateLimitedError {
  const seconds = Number(header ?? DEFAULT_WAIT_S);
  return new RateLimitedError((Number.isFinite(seconds) ? seconds : DEFAULT_WAIT_S) * 1_000);
}
