import type { Redis } from 'ioredis';
import type { Logger } from '../logger.ts';
import type { Hints } from './hints.ts';

/**
 * Hints over two Redis connections of its own (a subscribing connection can do nothing else). `prefix` keeps
 * installations that share a Redis apart.
 */
export function createRedisHints(
  deps: { publisher: Redis; subscriber: Redis; logger: Logger },
  prefix: string,
): Hints & AsyncDisposable {
  const listeners = new Map<string, Set<(message: string) => void>>();

  deps.subscriber.on('message', (name: string, message: string) => {
    for (const listener of listeners.get(name) ?? []) {
      try {
        listener(message);
      } catch (err) {
        deps.logger.error({ err, channel: name }, 'hint listener failed');
      }
    }
  });

  return {
    async publish(channel, message) {
      await deps.publisher.publish(prefix + channel, message);
    },

    async subscribe(channel, onMessage) {
      const name = prefix + channel;
      const known = listeners.get(name);
      if (known !== undefined) known.add(onMessage);
      else listeners.set(name, new Set([onMessage]));
      await deps.subscriber.subscribe(name);
      return async () => {
        const rest = listeners.get(name);
        rest?.delete(onMessage);
        if (rest === undefined || rest.size > 0) return;
        listeners.delete(name);
        await deps.subscriber.unsubscribe(name);
      };
    },

    async [Symbol.asyncDispose]() {
      listeners.clear();
      await Promise.allSettled([deps.publisher.quit(), deps.subscriber.quit()]);
    },
  };
}
