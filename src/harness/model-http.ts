import {
  type ClientRequest,
  globalAgent,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest, globalAgent as secureGlobalAgent } from 'node:https';
import type { Socket } from 'node:net';
import { pipeline, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { ReadableStream } from 'node:stream/web';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createBrotliDecompress, createUnzip } from 'node:zlib';
import { messageOf } from '../errors.ts';

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

const bodies = new WeakMap<Response, Readable>();

/**
 * A `fetch` for the SDK, on Node's own HTTP client: where a thousand answers come word by word, what web streams do for each
 * piece is most of a processor. It knows what the SDK asks of it, and leaves the rest to Node's. The body of an answer is had
 * from `bodyOf`; that of a refusal is in the response. Nothing is asked twice by itself, but where an address redirects to
 * another of the same host: the key goes nowhere else.
 */
export function createModelFetch(changed: Partial<Limits> = {}): typeof fetch {
  const limits = { ...LIMITS, ...changed };
  const options = { keepAlive: true, timeout: limits.idle_ms };
  const secure = new HttpsAgent({ ...options, ...proxyOf(secureGlobalAgent) });
  const plain = new HttpAgent({ ...options, ...proxyOf(globalAgent) });

  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input);
    if (input instanceof Request || typeof init.body !== 'string') return fetch(input, init);
    const { method = 'GET', signal } = init;
    const headers = { ...Object.fromEntries(new Headers(init.headers)), 'accept-encoding': 'identity' };
    const asked = { method, headers, timeout: limits.silence_ms, ...(signal == null ? {} : { signal }) };
    // Whoever kept the event loop busy kept it from hearing which idle connections were closed meanwhile.
    await nextTurn();
    signal?.throwIfAborted();
    const request =
      url.protocol === 'https:'
        ? httpsRequest(url, { ...asked, agent: secure })
        : httpRequest(url, { ...asked, agent: plain });
    const message = await send(request, init.body, limits);
    const { statusCode: status = 0, headers: answered } = message;
    if (isRedirect(status) && answered.location !== undefined) {
      message.resume();
      const { hostname } = new URL(answered.location, url);
      if (hostname !== url.hostname)
        throw new Error(`${url.hostname} sends on to ${hostname}, which gets no key from here`);
      return fetch(url, init);
    }
    // A response takes no other.
    if (status > 599) {
      message.destroy();
      throw new Error(`The answer has the status ${status}, which HTTP does not know`);
    }
    const how = {
      status,
      headers: Object.entries(answered).map(([name, value]): [string, string] => [name, String(value)]),
    };
    const body = plainOf(message);
    if (status < 200 || status > 299) return new Response((await saidIn(body, signal ?? null)) || null, how);
    const response = new Response(null, how);
    bodies.set(response, body);
    return response;
  };
}

/** The proxy that Node was told of by the environment (`NODE_USE_ENV_PROXY`), which only its own agents have by themselves. */
function proxyOf(agent: object): object {
  const { options = {} } = agent as { options?: { proxyEnv?: object } };
  return options.proxyEnv === undefined ? {} : { proxyEnv: options.proxyEnv };
}

/** Unpacked, should somebody on the way have packed it though nobody asked for that. */
function plainOf(message: IncomingMessage): Readable {
  const unpacking = unpackerOf(message.headers['content-encoding']);
  // Its end, and its errors, are its reader's.
  return unpacking === null ? message : pipeline(message, unpacking, () => undefined);
}

function unpackerOf(encoding = 'identity') {
  switch (encoding.toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
    case 'deflate':
      return createUnzip();
    case 'br':
      return createBrotliDecompress();
    default:
      return null;
  }
}

/** The words of a refusal; where they cannot be read to their end, why. Its status counts in any case. */
async function saidIn(body: Readable, signal: AbortSignal | null): Promise<string> {
  try {
    return await text(body);
  } catch (error) {
    signal?.throwIfAborted();
    return messageOf(error);
  }
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
    // Without an error, as after an upgrade that nobody asked for.
    request.once('close', () => reject(new Error('The connection was closed without an answer')));
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
