import { setTimeout as sleep } from 'node:timers/promises';
import { startBalancer } from './soak/balancer.ts';

/** Between two looks at a gateway, in milliseconds. */
const PERIOD_MS = 500;

/**
 * `DECKHAND_LEAVE_MS` behind this balancer. Two looks would do on a machine of one's own; these are twelve, so that a test on a
 * machine that is busy with others is late with its looks and does not fail by it. Also longer than a client of `fetch` keeps
 * an idle connection (4 s), which may still lead to a gateway that has left the balancer.
 */
export const LEAVE_MS = 12 * PERIOD_MS;

/**
 * A load balancer as people have them: it knows of a gateway what `/readyz` said when it last looked, and asks nothing when
 * somebody connects.
 */
export interface ProbedBalancer extends AsyncDisposable {
  url: string;
  /** Look at this one too. Resolves when it is given connections. */
  add(url: string): Promise<void>;
}

export async function startProbedBalancer(): Promise<ProbedBalancer> {
  const balancer = await startBalancer({ holds: true });
  const over = new AbortController();
  const watches: Promise<void>[] = [];

  async function isReady(url: string): Promise<boolean> {
    try {
      const answer = await fetch(`${url}/readyz`, { signal: over.signal });
      await answer.text();
      return answer.status === 200;
    } catch {
      return false;
    }
  }

  async function watch(url: string, isIn: () => void): Promise<void> {
    while (!over.signal.aborted) {
      const ready = await isReady(url);
      balancer.set(url, ready ? url : null);
      if (ready) isIn();
      await sleep(PERIOD_MS, undefined, { signal: over.signal }).catch(() => undefined);
    }
  }

  return {
    url: balancer.url,
    add: (url) => new Promise((resolve) => void watches.push(watch(url, resolve))),
    async [Symbol.asyncDispose]() {
      over.abort();
      await Promise.all(watches);
      await balancer[Symbol.asyncDispose]();
    },
  };
}
