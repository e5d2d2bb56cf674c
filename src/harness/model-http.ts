import { type ClientRequest, Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ReadableStream } from 'node:stream/web';

/** In milliseconds, and by default what Node's own `fetch` has. */
interface Limits {
  /** Until a connection stands. */
  connect_ms: number;
  /** Without a byte, before the answer or in it. */
  silence_ms: number;
  /** How long a connection is kept for another request. */
  idle_ms: number;
}

const LIMITS: Limits = { connect_ms: 10_000, silence_ms: 300_000, idle_ms: 4_000 };

const bodies = new WeakMap<Response, IncomingMessage>();

/**
 * A `fetch` for the SDK, on Node's own HTTP client: where a thousand answers come word by word, what web streams do for each
 * piece is most of a processor. It knows what the SDK asks of it, and leaves the rest to Node's. The body of an answer is had
 * from `bodyOf`; that of a refusal is in the response.
 */
export function createModelFetch(changed: Partial<Limits> = {}): typeof fetch {
  const limits = { ...LIMITS, ...changed };
  const options = { keepAlive: true, timeout: limits.idle_ms };
  const secure = new HttpsAgent(options);
  const plain = new HttpAgent(options);

  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (input instanceof Request || typeof init.body !== 'string') return fetch(input, init);
    const { method = 'GET', signal } = init;
    const headers = { ...Object.fromEntries(new Headers(init.headers)), 'accept-encoding': 'identity' };
    const asked = { method, headers, timeout: limits.silence_ms, ...(signal == null ? {} : { signal }) };
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...asked, agent: secure })
        : httpRequest(url, { ...asked, agent: plain });
    const message = await send(request, init.body, limits);
    const { statusCode: status = 0, headers: answered } = message;
    if (isRedirect(status) && answered.location !== undefined) {
      message.resume();
      return fetch(url, init);
    }
    const how = {
      status,
      headers: Object.entries(answered).map(([name, value]): [string, string] => [name, String(value)]),
    };
    if (status < 200 || status > 299) return new Response((await text(message)) || null, how);
    const response = new Response(null, how);
    bodies.set(response, message);
    return response;
  };
}

/** What a response of such a `fetch` says, as it comes. */
export function bodyOf(response: Response): Readable {
  return bodies.get(response) ?? Readable.fromWeb((response.body ?? new Blob().stream()) as ReadableStream);
}

function send(request: ClientRequest, body: string, { connect_ms, silence_ms }: Limits): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    let answer: IncomingMessage | null = null;
    request.once('response', (message) => {
      answer = message;
      resolve(message);
    });
    // Not once: it may break after the answer has begun, whose reader hears of it too.
    request.on('error', reject);
    request.once('timeout', () => (answer ?? request).destroy(new Error(`Nothing came for ${silence_ms / 1000} s`)));
    request.once('socket', (socket) => standsSoon(request, socket, connect_ms));
    request.end(body);
  });
}

function standsSoon(request: ClientRequest, socket: Socket, connect_ms: number): void {
  if (!socket.connecting) return;
  const late = setTimeout(() => request.destroy(new Error(`No connection within ${connect_ms / 1000} s`)), connect_ms);
  const stands = 'encrypted' in socket ? 'secureConnect' : 'connect';
  for (const event of [stands, 'close']) socket.once(event, () => clearTimeout(late));
}

function isRedirect(status: number): boolean {
  return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}
