import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DeckhandError, messageOf } from './errors.ts';

/** In milliseconds. What takes longer is answered 408 and cut off, so that slow senders cannot use up the connections. */
export interface SlowSenders {
  headers: number;
  /** The whole request with its body; an answer, a stream too, may take as long as it likes. */
  request: number;
  /** Between two looks at all connections. */
  look_every: number;
}

/** A full body (8 MiB) in a minute is 1.1 Mbit/s. */
const PATIENCE: SlowSenders = { headers: 10_000, request: 60_000, look_every: 2_000 };

/** An HTTP server that waits for nobody for long. What is not HTTP is answered 400 by Node itself, without a body. */
export function createHttpServer(listener: RequestListener, patience: SlowSenders = PATIENCE): Server {
  const { headers: headersTimeout, request: requestTimeout, look_every: connectionsCheckingInterval } = patience;
  return createServer({ headersTimeout, requestTimeout, connectionsCheckingInterval }, (request, response) => {
    closeWithConnection(request, response);
    listener(request, response);
  });
}

/**
 * Of a connection that ends, Node closes the response that it is at. Those that wait behind it, of requests that were sent
 * without waiting for answers, would never be closed, and whatever is held until then (a stream's reader, a share) never let go.
 */
function closeWithConnection({ socket }: IncomingMessage, response: ServerResponse): void {
  if (response.socket !== null) return;
  const close = (): void => {
    response.destroy();
    response.emit('close');
  };
  // As many listeners as there are requests that wait.
  socket.setMaxListeners(0).once('close', close);
  response.once('socket', () => socket.off('close', close));
}

/**
 * Listen, and return the address as a URL; a `port` of 0 is any that is free. `variable` names the setting of the port.
 * @throws DeckhandError when the address cannot be had
 */
export async function listen(
  server: Server,
  { host, port }: { host: string; port: number },
  variable = 'PORT',
): Promise<string> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (cause) {
    throw new DeckhandError('address_unavailable', `Nothing can listen on ${host}:${port}: ${messageOf(cause)}.`, {
      cause,
      remedy: `Stop what listens there (another Deckhand?), or set ${variable} (and HOST) to something else.`,
    });
  }
  const { port: taken } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${taken}`;
}
