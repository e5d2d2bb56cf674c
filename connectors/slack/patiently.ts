import { setTimeout as sleep } from 'node:timers/promises';
import { WebAPIHTTPError, WebAPIRateLimitedError, WebAPIRequestError } from '@slack/web-api';
import { RateLimitedError } from '../../src/chat/connector.ts';

/** One more after each of these waits; what fails for longer than that is no hiccup, and whoever starts it should know. */
const WAITS_MS = [1_000, 2_000];
const LONGEST_WAIT_MS = 30_000;

/**
 * Do what a start depends on, again where Slack asks to wait for a moment, has trouble of its own or does not answer.
 * @throws what the last try threw; at once where Slack has said no
 */
export async function patiently(work: () => Promise<unknown>): Promise<void> {
  for (const usual of WAITS_MS) {
    try {
      await work();
      return;
    } catch (error) {
      const wait = waitAfter(error, usual);
      if (wait === null || wait > LONGEST_WAIT_MS) throw error;
      await sleep(wait);
    }
  }
  await work();
}

/** The connection's own client throws the library's errors as they are. Null: another try changes nothing. */
function waitAfter(error: unknown, usual: number): number | null {
  if (error instanceof RateLimitedError) return error.retry_after_ms;
  if (error instanceof WebAPIRateLimitedError) return error.retryAfter * 1_000;
  const passes = error instanceof WebAPIRequestError || (error instanceof WebAPIHTTPError && error.statusCode >= 500);
  return passes ? usual : null;
}
