import { createCleanup } from '../cleanup.ts';
import type { Config } from '../config.ts';
import type { Logger } from '../logger.ts';
import { startStandIn } from './model.ts';
import { startEmbeddedMongo } from './mongo.ts';
import { startEmbeddedRedis } from './redis.ts';

/** Where the house's three services are, whoever runs them. */
export interface Services extends AsyncDisposable {
  mongodb_uri: string;
  redis_url: string;
  model: { api_key: string; base_url: string | null };
  /** The scripted stand-in answers. */
  stand_in: boolean;
  /** One line per service, in words. */
  describe(): string[];
}

/** What is configured, and an embedded one for each service that is not. @throws DeckhandError with a remedy */
export async function startServices(config: Config, logger: Logger): Promise<Services> {
  const started = createCleanup();
  try {
    const options = { data_dir: config.data_dir, logger };
    const mongo = config.mongodb_uri === null ? await startEmbeddedMongo(options) : null;
    if (mongo !== null) started.defer(() => mongo.close());
    const redis = config.redis_url === null ? await startEmbeddedRedis(options) : null;
    if (redis !== null) started.defer(() => redis.close());
    const standIn = config.model === null ? await startStandIn() : null;
    if (standIn !== null) started.defer(() => standIn[Symbol.asyncDispose]());
    return {
      mongodb_uri: mongo?.uri ?? config.mongodb_uri ?? '',
      redis_url: redis?.url ?? config.redis_url ?? '',
      model: config.model ?? { api_key: 'stand-in', base_url: standIn?.base_url ?? null },
      stand_in: standIn !== null,
      describe: () => [
        `MongoDB: ${mongo?.describe() ?? 'MONGODB_URI'}`,
        `Redis: ${redis?.describe() ?? 'REDIS_URL'}`,
        standIn === null
          ? 'Model: Claude'
          : 'Model: a scripted stand-in, NOT Claude (set ANTHROPIC_API_KEY for Claude)',
      ],
      [Symbol.asyncDispose]: () => started[Symbol.asyncDispose](),
    };
  } catch (error) {
    await started[Symbol.asyncDispose]();
    throw error;
  }
}
