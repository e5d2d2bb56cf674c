import type { ServerResponse } from 'node:http';
import { Router } from 'express';
import type { Redis } from 'ioredis';
import type { Db } from 'mongodb';
import { messageOf } from './errors.ts';

/** A dependency that has not answered by then counts as down. */
const PROBE_MS = 1_000;

export interface Health {
  /**
   * `GET /healthz`: the process is alive: its event loop answers, whatever is away around it.
   * `GET /readyz`: it can serve: started, not stopping, MongoDB and Redis answer.
   */
  router: Router;
  /** While stopping, each answer closes its connection, so that no client sends another request into a closed one. */
  farewell(response: ServerResponse): void;
  ready(): void;
  stopping(): void;
}

export interface HealthDeps {
  db: Db;
  redis: Redis;
  /** Connectors that do not work, and why. The fault is elsewhere and nothing is lost, so the gateway still is ready. */
  troubles(): Record<string, string>;
}

export function createHealth(deps: HealthDeps): Health {
  let state: 'starting' | 'ready' | 'stopping' = 'starting';
  const router = Router();

  router.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' });
  });

  router.get('/readyz', async (_request, response) => {
    const [mongodb, redis] = await Promise.all([
      probe(() => deps.db.command({ ping: 1 })),
      probe(() => deps.redis.ping()),
    ]);
    const ready = state === 'ready' && mongodb === 'ok' && redis === 'ok';
    response.status(ready ? 200 : 503).json({
      status: ready ? 'ready' : 'not ready',
      process: state,
      mongodb,
      redis,
      connectors: deps.troubles(),
    });
  });

  return {
    router,
    farewell(response) {
      if (state === 'stopping') response.setHeader('connection', 'close');
    },
    ready() {
      state = 'ready';
    },
    stopping() {
      state = 'stopping';
    },
  };
}

async function probe(ask: () => Promise<unknown>): Promise<string> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${PROBE_MS} ms`)), PROBE_MS);
  });
  try {
    await Promise.race([ask(), late]);
    return 'ok';
  } catch (error) {
    return messageOf(error);
  } finally {
    clearTimeout(timer);
  }
}
