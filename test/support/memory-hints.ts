import type { Hints } from '../../src/session/hints.ts';

/** Pub/sub inside one process, as Redis does it between several: in order, later than the call, to whoever is there. */
export function createMemoryHints(): Hints {
  const channels = new Map<string, Set<(message: string) => void>>();
  return {
    async publish(channel, message) {
      const listeners = [...(channels.get(channel) ?? [])];
      setImmediate(() => listeners.forEach((listener) => listener(message)));
      return listeners.length;
    },
    async subscribe(channel, onMessage) {
      const listeners = channels.get(channel) ?? new Set();
      channels.set(channel, listeners);
      // Its own function for each subscription: the same listener twice is two subscriptions.
      const listener = (message: string) => onMessage(message);
      listeners.add(listener);
      return async () => {
        listeners.delete(listener);
      };
    },
  };
}

/** Redis is away: nothing can be said or heard. */
export const brokenHints: Hints = {
  publish: () => Promise.reject(new Error('The hints are away')),
  subscribe: () => Promise.reject(new Error('The hints are away')),
};
