import type { Redis } from 'ioredis';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { Hints } from './hints.ts';

/** How long anybody waits for Redis to confirm a subscription or its end, in milliseconds. */
const PATIENCE_MS = 1_000;

/**
 * Hints over two Redis connections of its own (a subscribing connection can do nothing else). `prefix` keeps
 * installations that share a Redis apart. `subscriber` must have `maxRetriesPerRequest: null`: what it was told while Redis
 * was away it says when Redis is back.
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

  /** Channels that Redis would not let us hear: asked for again when it lets us in. */
  const refused = new Set<string>();

  deps.subscriber.on('ready', () => {
    const names = [...refused].filter((name) => listeners.has(name));
    refused.clear();
    for (const name of names) void subscribe(name);
  });

  async function subscribe(name: string): Promise<void> {
    try {
      await deps.subscriber.subscribe(name);
    } catch (error) {
      refused.add(name);
      deps.logger.warn({ channel: name, reason: messageOf(error) }, 'Redis did not take a subscription');
    }
  }

  /** Wait for an answer, but not for a Redis that is away. */
  async function confirmed(answer: Promise<unknown>): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS);
    });
    await Promise.race([answer, late]);
    clearTimeout(timer);
  }

  return {
    async publish(channel, message) {
      // Said later it would help nobody, and until then it would fill the memory.
      if (deps.publisher.status === 'reconnecting') throw new Error('Redis is away; the hint is dropped');
      return deps.publisher.publish(prefix + channel, message);
    },

    async subscribe(channel, onMessage) {
      const name = prefix + channel;
      const known = listeners.get(name);
      if (known !== undefined) known.add(onMessage);
      else listeners.set(name, new Set([onMessage]));
      await confirmed(subscribe(name));
      return async () => {
        const rest = listeners.get(name);
        rest?.delete(onMessage);
        if (rest === undefined || rest.size > 0) return;
        listeners.delete(name);
        await confirmed(deps.subscriber.unsubscribe(name).catch(() => undefined));
      };
    },

    async [Symbol.asyncDispose]() {
      listeners.clear();
      await Promise.allSettled([deps.publisher.quit(), deps.subscriber.quit()]);
    },
  };
}
