import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** One address before several gateways: each connection goes to the next one that takes it. */
export interface Balancer extends AsyncDisposable {
  url: string;
  /** Where this one is now; null takes it out. */
  set(name: string, url: string | null): void;
}

/** @param holds whether a connection waits where there is nobody to take it, instead of being refused */
export async function startBalancer({ holds = false } = {}): Promise<Balancer> {
  const targets = new Map<string, string>();
  const open = new Set<Socket>();
  const waiting: Socket[] = [];

  function next(): string | undefined {
    const [first] = targets;
    if (first === undefined) return undefined;
    targets.delete(first[0]);
    targets.set(...first);
    return first[1];
  }

  function lead(near: Socket): void {
    const url = next();
    if (url === undefined) {
      if (holds) waiting.push(near);
      else near.destroy();
      return;
    }
    const { hostname, port } = new URL(url);
    const far = connect(Number(port), hostname);
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
      socket.pipe(other);
    }
  }

  const server = createServer(lead);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    set(name, url) {
      if (url === null) targets.delete(name);
      else targets.set(name, url);
      if (targets.size > 0) for (const near of waiting.splice(0)) lead(near);
    },
    async [Symbol.asyncDispose]() {
      for (const socket of [...open, ...waiting]) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
