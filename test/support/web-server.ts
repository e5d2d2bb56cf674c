import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import express from 'express';
import type { Db } from 'mongodb';
import { createWebConnector, type WebConnectorOptions } from '../../connectors/web/index.ts';
import type { Connector } from '../../src/chat/connector.ts';
import type { Receiver } from '../../src/chat/inbound.ts';
import { silentLogger } from '../../src/logger.ts';
import { createMemoryHints } from './memory-hints.ts';
import { STOP_MS } from './stop.ts';

export interface WebServer extends AsyncDisposable {
  url: string;
  connector: Connector;
  /** Ends every connection at once and listens no more, as a crash would; `listen` comes back on the same port. */
  drop(): Promise<void>;
  listen(): Promise<void>;
}

/** Where `vite build` puts the page. */
export const pageDir = fileURLToPath(new URL('../../console/dist', import.meta.url));

/** The web connector behind a real HTTP server on a port of the system's choice. */
export async function startWebServer(
  db: Db,
  receiver: Receiver,
  options: Partial<WebConnectorOptions> = {},
): Promise<WebServer> {
  const connector = createWebConnector({
    db,
    hints: createMemoryHints(),
    agents: async () => [
      { id: 'agent_deckhand', name: 'Deckhand', description: 'Does what you ask, carefully.' },
      { id: 'agent_bosun', name: 'Bosun', description: 'Looks after deployments.' },
    ],
    verifyKey: async (key) => key === 'dk_right',
    open_sign_in: true,
    workspace_id: 'wrkspc_default',
    logger: silentLogger,
    standIn: false,
    page_dir: pageDir,
    ...options,
  });
  const server = createServer(express().use(connector.router));
  let port = 0;

  async function listen(): Promise<void> {
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
  }

  async function drop(): Promise<void> {
    const closed = once(server, 'close');
    server.close();
    server.closeAllConnections();
    await closed;
  }

  await connector.start(receiver);
  await listen();
  return {
    url: `http://127.0.0.1:${port}`,
    connector,
    drop,
    listen,
    async [Symbol.asyncDispose]() {
      await connector.stop(STOP_MS);
      if (server.listening) await drop();
    },
  };
}
