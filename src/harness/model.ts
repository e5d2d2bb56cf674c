import Anthropic, { APIConnectionError, APIError, APIUserAbortError } from '@anthropic-ai/sdk';
import type {
  BetaMessage,
  BetaTextBlock,
  BetaUsage,
  MessageCreateParamsBase,
} from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { z } from 'zod';
import { messageOf } from '../errors.ts';
import type { EventOf } from '../session/event.ts';
import { anySignal } from '../signals.ts';
import { createAnswer, type ModelListener } from './answer.ts';
import { createModelFetch } from './model-http.ts';
import { readEvents } from './model-stream.ts';
import { PROMPT_BETAS } from './prompt.ts';
import { problemOf, usageOf } from './reply-check.ts';
import { createTurnstile } from './turnstile.ts';

const saidBlock = z.object({ type: z.literal('text'), text: z.string().refine((text) => text.trim() !== '') });

/** Requests that are begun, answers that begin and answers that end in one turn of the event loop, at most. */
const AT_ONCE = 16;

export type ModelErrorType = EventOf<'session.error'>['error']['type'];

export type ModelOutcome =
  | { kind: 'replied'; message: BetaMessage }
  /** The signal fired; `said` is what had already arrived, whole blocks and the beginning of the last text. */
  | { kind: 'aborted'; said: BetaTextBlock[]; usage: BetaUsage | null }
  | { kind: 'failed'; failure: ModelFailure; usage: BetaUsage | null };

export interface ModelFailure {
  type: ModelErrorType;
  /** In words, for people; never the request or a header. */
  message: string;
  /** False: the same request will fail again. */
  retryable: boolean;
  retry_after_ms: number | null;
  /** The API does not take what the request holds. */
  about_content?: true;
}

/** Asks Claude once, streaming. Never throws for what the API or the network does. */
export type AskModel = (
  request: MessageCreateParamsBase,
  listener: ModelListener,
  signal: AbortSignal,
) => Promise<ModelOutcome>;

/**
 * Claude through the official SDK. Its own retries are off: a stream that broke midway cannot be retried by it anyway,
 * and the turn's policy, which people can see, must not multiply with a hidden one.
 */
export function createAskModel(options: { api_key: string; base_url: string | null }): AskModel {
  const client = new Anthropic({
    apiKey: options.api_key,
    maxRetries: 0,
    // It would write what it cannot read, which is somebody's conversation, to stderr.
    logLevel: 'off',
    fetch: createModelFetch(),
    ...(options.base_url === null ? {} : { baseURL: options.base_url }),
  });

  const turnstile = createTurnstile(AT_ONCE);

  return async (request, listener, signal) => {
    const answer = createAnswer(listener);
    // The turn's own signal lives for many requests, and the SDK leaves its ear there.
    using own = anySignal([signal]);
    try {
      await turnstile.pass();
      const asked = client.beta.messages.create(
        { ...request, betas: PROMPT_BETAS, stream: true },
        { signal: own.signal },
      );
      const response = await asked.asResponse();
      await turnstile.pass();
      await readEvents(response, answer.add);
      await turnstile.pass();
      const message = answer.finish();
      const problem = problemOf(message);
      if (problem === null) return { kind: 'replied', message };
      const unusable = failure('model_request_failed_error', `The answer cannot be used: ${problem}`, true, null);
      return { kind: 'failed', failure: unusable, usage: usageOf(message) };
    } catch (error) {
      await turnstile.pass();
      const usage = usageOf(answer.soFar);
      if (signal.aborted || error instanceof APIUserAbortError) {
        return { kind: 'aborted', said: textBlocks(answer.soFar?.content), usage };
      }
      return { kind: 'failed', failure: toFailure(error), usage };
    }
  };
}

/** Only text survives an abort: half of a tool call means nothing, and a thinking block without its end is refused. */
function textBlocks(content: unknown): BetaTextBlock[] {
  return z
    .array(z.unknown())
    .catch([])
    .parse(content)
    .flatMap((block) => {
      const { data } = saidBlock.safeParse(block);
      return data === undefined ? [] : [{ type: 'text', text: data.text, citations: null }];
    });
}

function toFailure(error: unknown): ModelFailure {
  if (error instanceof APIConnectionError) {
    return failure('model_request_failed_error', 'Claude could not be reached', true, null);
  }
  if (!(error instanceof APIError)) {
    // A stream that ends midway, or a body that is not what was promised.
    return failure('model_request_failed_error', `The answer broke off: ${messageOf(error)}`, true, null);
  }
  const said = describe(error);
  const retryAfter = retryAfterMs(error.headers);
  // An error in the middle of a stream has no status, only a type.
  if (error.status === 429 || error.type === 'rate_limit_error') {
    return failure('model_rate_limited_error', `Claude's rate limit was reached (${said})`, true, retryAfter);
  }
  if (error.status === 529 || error.type === 'overloaded_error') {
    return failure('model_overloaded_error', `Claude is overloaded (${said})`, true, retryAfter);
  }
  if (error.status === 402 || error.type === 'billing_error') {
    return failure('billing_error', `The account cannot make model requests (${said})`, false, null);
  }
  if (error.status === 401 || error.type === 'authentication_error') {
    const remedy = 'whoever runs Deckhand has to set a valid ANTHROPIC_API_KEY and restart it';
    return failure('model_request_failed_error', `Claude refused the API key (${said}): ${remedy}`, false, null);
  }
  const retryable = error.status === undefined || error.status >= 500 || error.status === 408 || error.status === 409;
  const failed = failure('model_request_failed_error', `The model request failed (${said})`, retryable, retryAfter);
  return error.status === 400 || error.status === 413 ? { ...failed, about_content: true } : failed;
}

function failure(
  type: ModelErrorType,
  message: string,
  retryable: boolean,
  retry_after_ms: number | null,
): ModelFailure {
  return { type, message: `${message}.`, retryable, retry_after_ms };
}

function describe(error: APIError): string {
  const body: unknown = error.error;
  const inner = typeof body === 'object' && body !== null && 'error' in body ? body.error : body;
  const text =
    typeof inner === 'object' && inner !== null && 'message' in inner && typeof inner.message === 'string'
      ? inner.message
      : error.message;
  return `${error.status ?? error.type ?? 'error'}: ${text.slice(0, 300)}`;
}

function retryAfterMs(headers: Headers | undefined): number | null {
  const seconds = Number(headers?.get('retry-after') ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.ceil(seconds * 1000) : null;
}
