import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Connector, PostRefusedError, RateLimitedError } from './connector.ts';

/** So many failed calls with no post or edit between them, over all conversations, mean that the platform or its token is at fault. */
const FAILURES = 5;

/**
 * How the platforms behave towards this process. A refusal or a rate limit is an answer; anything else is a failure. What
 * fails is said in the log once, when it begins and when it ends, and stands on `/readyz` meanwhile.
 */
export interface ConnectorHealth {
  /** The same connector, with an eye on its calls. */
  watch(connector: Connector): Connector;
  /** A session is to be shown through a connector that is not configured (any more). */
  missing(name: string): void;
  /** Name and what is wrong, in words. Empty: all is well. */
  report(): Record<string, string>;
}

interface Standing {
  failures: number;
  since: Date;
  reason: string;
}

/** `onRecovered` hears the name of a connector that works again. */
export function createConnectorHealth(logger: Logger, onRecovered: (name: string) => void): ConnectorHealth {
  const failing = new Map<string, Standing>();
  const absent = new Set<string>();

  function answered(name: string): void {
    const before = failing.get(name);
    if (before === undefined) return;
    failing.delete(name);
    if (before.failures < FAILURES) return;
    logger.info({ connector: name, since: before.since }, 'connector works again');
    onRecovered(name);
  }

  function failed(name: string, error: unknown): void {
    const before = failing.get(name);
    const failures = (before?.failures ?? 0) + 1;
    const reason = messageOf(error);
    failing.set(name, { failures, since: before?.since ?? new Date(), reason });
    if (failures === FAILURES) {
      logger.error({ connector: name, reason }, 'connector fails; what it should show waits and is tried again');
    }
  }

  /** `proves`: when this works, so does what it is for. */
  async function seen<T>(name: string, signal: AbortSignal, call: () => Promise<T>, proves = true): Promise<T> {
    try {
      const result = await call();
      if (proves) answered(name);
      return result;
    } catch (error) {
      if (error instanceof PostRefusedError || error instanceof RateLimitedError) answered(name);
      else if (!signal.aborted) failed(name, error);
      throw error;
    }
  }

  return {
    watch(connector) {
      const { name } = connector;
      const watched: Pick<Connector, 'post' | 'edit' | 'find'> = {
        post: (place, outgoing, signal) => seen(name, signal, () => connector.post(place, outgoing, signal)),
        edit: (place, ref, outgoing, signal) => seen(name, signal, () => connector.edit(place, ref, outgoing, signal)),
        find: (place, id, signal, since) => seen(name, signal, () => connector.find(place, id, signal, since), false),
      };
      return Object.assign(Object.create(connector) as Connector, watched);
    },
    missing(name) {
      if (absent.has(name)) return;
      absent.add(name);
      logger.warn({ connector: name }, 'sessions wait for a connector that is not configured');
    },
    report() {
      const broken = [...failing].filter(([, standing]) => standing.failures >= FAILURES);
      return Object.fromEntries([
        ...[...absent].map((name) => [name, 'not configured, and sessions wait for it'] as const),
        ...broken.map(([name, { since, reason }]) => [name, `fails since ${since.toISOString()}: ${reason}`] as const),
      ]);
    },
  };
}
