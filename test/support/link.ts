import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a service that a test may cut and mend: a TCP port in front of another port or of a Unix socket. */
export interface Link extends AsyncDisposable {
  /** The service's URI with this link in place of its host. */
  uri: string;
  /** Every connection breaks, and no new one is let through. */
  cut(): void;
  mend(): void;
  /** From now on it leads here: the service came back at another address. */
  lead(uri: string): void;
  /** Connections that were tried and not let through so far. */
  refused(): number;
}

/** How the two ends of one connection are joined: from the client's to the service's and back. */
export type Join = (near: Socket, far: Socket) => void;

function joinPlainly(near: Socket, far: Socket): void {
  near.pipe(far);
  far.pipe(near);
}

/** A link to the service of this URI: over TCP, or a Unix socket as `redis://localhost/?path=` or `mongodb://%2F`. */
export async function linkTo(uri: string, join: Join = joinPlainly): Promise<Link> {
  const { scheme, query, socket } = partsOf(uri);
  let { address } = partsOf(uri);
  const open = new Set<Socket>();
  let whole = true;
  let refused = 0;

  const server = createServer((near) => {
    if (!whole) {
      refused += 1;
      near.destroy();
      return;
    }
    const [name, port] = address.split(':');
    const far = address.startsWith('/') ? connect(address) : connect(Number(port), name);
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        open.delete(socket);
        other.destroy();
      });
    }
    join(near, far);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;

  function cut(): void {
    whole = false;
    for (const socket of open) socket.destroy();
  }

  return {
    uri: `${scheme}127.0.0.1:${port}/${socket === null ? query : ''}`,
    refused: () => refused,
    cut,
    mend() {
      whole = true;
    },
    lead(other) {
      ({ address } = partsOf(other));
    },
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}

/** `address` is `host:port` or the path of a Unix socket. */
function partsOf(uri: string): { scheme: string; address: string; query: string; socket: string | null } {
  const [, scheme = '', host = '', query = ''] = /^(\w+:\/\/)([^/?]+)\/?(.*)$/.exec(uri) ?? [];
  const socket = new URLSearchParams(query).get('path');
  return { scheme, address: socket ?? decodeURIComponent(host), query, socket };
}
