import { once } from 'node:events';
import express from 'express';
import { createHealth, type HealthDeps } from './health.ts';
import { createHttpServer, listen } from './http-server.ts';

/** How a process without a gateway is, on a port of its own: a worker serves nothing else over HTTP. */
export interface HealthServer extends AsyncDisposable {
  url: string;
  ready(): void;
  /** `/readyz` says from now on that it leaves; it goes on answering until it is disposed of. */
  stopping(): void;
}

/** @throws DeckhandError when the address cannot be had */
export async function startHealthServer(
  deps: Pick<HealthDeps, 'db' | 'redis'>,
  address: { host: string; port: number },
): Promise<HealthServer> {
  const health = createHealth({ ...deps, troubles: () => ({}) });
  const app = express();
  app.disable('x-powered-by');
  app.use(health.router);
  const server = createHttpServer((request, response) => {
    health.farewell(response);
    app(request, response);
  });
  const url = await listen(server, address, 'DECKHAND_HEALTH_PORT');
  return {
    url,
    ready: health.ready,
    stopping: health.stopping,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
