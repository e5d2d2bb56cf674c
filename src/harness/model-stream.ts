import { APIError } from '@anthropic-ai/sdk';
import type { BetaRawMessageStreamEvent } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { bodyOf } from './model-http.ts';
import { createEventDecoder } from './server-sent-events.ts';

/**
 * Tell every event of a streamed answer, in order, as soon as its bytes are there. Resolves at the end of the body.
 * @throws APIError for an error that the stream tells; what `take` throws; and what cuts the body short
 */
export function readEvents(response: Response, take: (event: BetaRawMessageStreamEvent) => void): Promise<void> {
  const body = bodyOf(response);
  const decoder = createEventDecoder((name, data) => {
    if (name === 'error') throw errorOf(data, response.headers);
    if (name !== null && name !== 'ping' && data !== '') take(JSON.parse(data));
  });

  return new Promise((resolve, reject) => {
    function fail(error: unknown): void {
      reject(error);
      body.destroy();
    }
    if (body.destroyed) return fail(body.errored ?? new Error('terminated'));
    body.setEncoding('utf8');
    body.on('data', (piece: string) => {
      try {
        decoder.add(piece);
      } catch (error) {
        fail(error);
      }
    });
    body.once('end', () => {
      try {
        decoder.end();
        resolve();
      } catch (error) {
        fail(error);
      }
    });
    body.on('error', fail);
    body.once('close', () => fail(new Error('terminated')));
  });
}

function errorOf(data: string, headers: Headers): APIError {
  const body = parsedOrText(data);
  const type = (body as { error?: { type?: unknown } } | null)?.error?.type;
  return new APIError(undefined, body as object, undefined, headers, type as APIError['type']);
}

function parsedOrText(data: string): unknown {
  try {
    return JSON.parse(data) ?? data;
  } catch {
    return data;
  }
}
