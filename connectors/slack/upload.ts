import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';

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

/** Send so many bytes to the place that Slack named for them, as fast as it takes them. @throws when it does not take all */
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
  const [[response]] = (await Promise.all([
    once(request, 'response'),
    pipeline(Readable.from(exactly(bytes, length)), request),
  ])) as [[IncomingMessage], void];
  response.resume();
  const { statusCode = 0 } = response;
  if (statusCode < 200 || statusCode >= 300) throw new Error(`Slack answered ${statusCode} to a file's bytes`);
}
