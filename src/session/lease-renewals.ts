import type { Collection } from 'mongodb';
import { gatherFor } from './lease.ts';
import type { Lease, LogHead } from './log.ts';
import { HEAD, headOf, type LoggedDocument } from './log-document.ts';

/** Most sessions of one update. */
const BATCH = 500;

interface Request {
  lease: Lease;
  resolve(head: LogHead | null): void;
  reject(error: unknown): void;
}

/**
 * Renews leases together: a worker with a thousand sessions would otherwise spend most of its time on saying, session by
 * session, that it is still there. One update lengthens all that are still this holder's, and one read tells whose they
 * are and where their logs stand.
 */
export function createRenewals(
  sessions: Collection<LoggedDocument>,
): (lease: Lease, ttl_ms: number) => Promise<LogHead | null> {
  const waiting = new Map<string, Request[]>();

  async function headsOf(ids: string[]): Promise<Map<string, LoggedDocument>> {
    const found = await sessions.find({ _id: { $in: ids } }, { projection: { workspace_id: 1, ...HEAD } }).toArray();
    return new Map(found.map((document) => [document._id, document]));
  }

  async function renewTogether(requests: Request[], holder: string, ttl_ms: number): Promise<void> {
    const ids = requests.map(({ lease }) => lease.session_id);
    try {
      // Side by side, because a process with much to do hears late of either.
      const [{ matchedCount }, read] = await Promise.all([
        sessions.updateMany(
          { _id: { $in: ids }, 'log.lease.holder': holder },
          [{ $set: { 'log.lease.until': { $add: ['$$NOW', ttl_ms] } } }],
          // A renewal that a crash undoes only makes the lease run out sooner.
          { writeConcern: { w: 1 } },
        ),
        headsOf(ids),
      ]);
      // Unless all were still this holder's then, what was read may be older than the loss of one.
      const heads = matchedCount === new Set(ids).size ? read : await headsOf(ids);
      for (const { lease, resolve } of requests) {
        const now = heads.get(lease.session_id);
        const isHeld = now?.workspace_id === lease.workspace_id && isSame(now.log.lease, lease);
        resolve(isHeld ? headOf(now.log) : null);
      }
    } catch (error) {
      for (const { reject } of requests) reject(error);
    }
  }

  return (lease, ttl_ms) =>
    new Promise((resolve, reject) => {
      const key = `${ttl_ms} ${lease.holder}`;
      const send = (): void => {
        const requests = waiting.get(key) ?? [];
        waiting.delete(key);
        void renewTogether(requests, lease.holder, ttl_ms);
      };
      const others = waiting.get(key);
      const request = { lease, resolve, reject };
      if (others === undefined) {
        waiting.set(key, [request]);
        setTimeout(() => waiting.has(key) && send(), gatherFor(ttl_ms));
        return;
      }
      others.push(request);
      if (others.length === BATCH) send();
    });
}

function isSame(now: { token: number; holder: string | null }, lease: Lease): boolean {
  return now.token === lease.token && now.holder === lease.holder;
}
