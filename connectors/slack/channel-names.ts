import { LRUCache } from 'lru-cache';

/**
 * What channels are called, as far as somebody's mention said so: Slack writes some with their names and some without, and to
 * ask for one would take a scope of its own.
 */
export interface ChannelNames {
  /** Text in Slack's markup. */
  heard(tenant: string, markup: string): void;
  /** The id where nobody has said it. */
  nameOf(tenant: string, id: string): string;
}

const MOST = 10_000;
const NAMED = /<#([CG][A-Z0-9]+)\|([^>]+)>/g;

export function createChannelNames(): ChannelNames {
  const names = new LRUCache<string, string>({ max: MOST });

  return {
    heard(tenant, markup) {
      for (const [, id = '', name = ''] of markup.matchAll(NAMED)) names.set(`${tenant}:${id}`, name);
    },
    nameOf: (tenant, id) => names.get(`${tenant}:${id}`) ?? id,
  };
}
