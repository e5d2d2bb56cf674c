import { MongoError } from 'mongodb';
import { createCleanup } from './cleanup.ts';
import type { Config } from './config.ts';
import { type Context, createContext } from './context.ts';
import { bootstrapKey } from './embedded/bootstrap-key.ts';
import { lockDataDir } from './embedded/data-dir.ts';
import { startServices } from './embedded/services.ts';
import { startGateway } from './gateway.ts';
import { type HealthServer, startHealthServer } from './health-server.ts';
import type { Logger } from './logger.ts';
import { mongodbUnreachable } from './mongo-client.ts';
import { startWorker } from './worker.ts';

export type Role = 'gateway' | 'worker';

/** A whole Deckhand in this process. */
export interface Deckhand extends AsyncDisposable {
  /** Where the gateway listens; null without one. */
  url: string | null;
  /** Where a worker by itself says how it is; null when it was not asked to, or a gateway says it. */
  health_url: string | null;
  context: Context;
  /** One line per service, in words. */
  services: string[];
  /** The API key of this data directory, when none is configured: where it is kept and, on the first start, itself. */
  own_key: { path: string; made: string | null } | null;
  /** Stops the roles first, then the services, which end with their data safe. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Start the services and the roles. @throws DeckhandError with a remedy; whatever was started is closed again */
export async function startDeckhand(config: Config, logger: Logger, roles: readonly Role[]): Promise<Deckhand> {
  const cleanup = createCleanup();
  try {
    // A gateway over services of its own keeps nothing there that a worker beside it would mind.
    if (roles.includes('worker') || config.mongodb_uri === null || config.redis_url === null) {
      const lock = await lockDataDir(config.data_dir);
      cleanup.defer(() => lock.release());
    }
    const made = config.api_key === null ? await bootstrapKey(config.data_dir) : null;
    const services = await startServices(config, logger);
    cleanup.defer(() => services[Symbol.asyncDispose]());
    const context = await createContext({ ...config, api_key: made?.api_key ?? config.api_key }, services, logger, {
      open_sign_in: made !== null,
      worker: roles.includes('worker'),
    });
    cleanup.defer(() => context[Symbol.asyncDispose]());
    let health: HealthServer | null = null;
    if (!roles.includes('gateway') && config.health_port !== null) {
      const server = await startHealthServer(context, { host: config.host, port: config.health_port });
      cleanup.defer(() => server[Symbol.asyncDispose]());
      health = server;
    }
    if (roles.includes('worker')) {
      const worker = await startWorker(context);
      cleanup.defer(() => worker.stop());
    }
    const gateway = roles.includes('gateway') ? await startGateway(context) : null;
    if (gateway !== null) cleanup.defer(() => gateway.stop());
    if (health !== null) {
      health.ready();
      cleanup.defer(async () => health.stopping());
    }
    return {
      health_url: health?.url ?? null,
      url: gateway?.url ?? null,
      context,
      services: services.describe(),
      own_key: made === null ? null : { path: made.path, made: made.made ? made.api_key : null },
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]().catch(() => undefined);
    // It was there, and went while something else was started.
    throw error instanceof MongoError ? mongodbUnreachable(error) : error;
  }
}
