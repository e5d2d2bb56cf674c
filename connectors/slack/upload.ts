import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PostRefusedError } from '../../src/chat/connector.ts';
import { rateLimitOf } from './retry-after.ts';

/** A connection that takes nothing for so long, or does not answer, is none any more. */
const STALL_MS = 60_000;

/** Slack would wait for the rest of what was promised. @throws when there are not as many */
async function* exactly(bytes: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let sent = 0;
  for await (const piece of bytes) {
    sent += piece.length;
    yield piece;
  }
  if (sent !== length) throw new Error(`A file of ${length} bytes ended after ${sent}`);
}

/**
 * Send so many bytes to the place that Slack named for them, as fast as it takes them. The place is a new one for each try,
 * so a refusal is about the file, and another address would not help.
 * @throws RateLimitedError, PostRefusedError; anything else when it does not take all and may the next time
 */
export async function sendBytes(
  address: string,
  length: number,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  const url = new URL(address);
  const request = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {
    method: 'POST',
    headers: { 'content-type': 'application/octet-stream', 'content-length': length },
    signal,
  });
  request.setTimeout(STALL_MS, () => request.destroy(new Error('Slack took no bytes of a file any more')));
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  const sent = pipeline(Readable.from(exactly(bytes, length)), request);
  // A refusal may come before all is sent, and then nobody takes the rest.
  const [response] = await Promise.race([answered, sent.then(() => answered)]);
  response.resume();
  const failure = failureOf(response);
  if (failure === null) return sent;
  request.destroy();
  throw failure;
}

/** What its answer means; null: it has the bytes. */
function failureOf({ statusCode = 0, headers }: IncomingMessage): Error | null {
  if (statusCode >= 200 && statusCode < 300) return null;
  if (statusCode === 429) return rateLimitOf(headers['retry-after']);
  if (statusCode >= 400 && statusCode < 500 && statusCode !== 408) {
    return new PostRefusedError(`Slack answered ${statusCode} to its bytes`);
  }
  return new Error(`Slack answered ${statusCode} to a file's bytes`);
}
