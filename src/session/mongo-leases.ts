import type { Collection } from 'mongodb';
import { createRenewals } from './lease-renewals.ts';
import type { AppendListener, Claimed, Opening, SessionLog, SessionRef } from './log.ts';
import { entriesOf, headOf, type LoggedDocument } from './log-document.ts';
import { FREE, filterOf, laneOf, OPEN, roomFor, watchersOf } from './log-queries.ts';
import { additionOf, fieldsFor } from './log-update.ts';

/**
 * Who is a session's brain: the lease in its document, by the database's clock.
 * @param find throws when the session does not exist
 */
export function createLeases(
  sessions: Collection<LoggedDocument>,
  listener: AppendListener,
  find: (ref: SessionRef) => Promise<unknown>,
): Pick<SessionLog, 'claim' | 'renew' | 'release'> {
  /** Null: somebody holds it, or it does not stand as this opening expects. */
  async function claimAndOpen(
    ref: SessionRef,
    holder: string,
    ttl_ms: number,
    { after, knows, entries, where }: Opening,
  ): Promise<Claimed | null> {
    const news = after - knows + entries.length;
    const addition = additionOf(entries);
    const found = await sessions.findOneAndUpdate(
      { ...where, ...filterOf(ref), ...OPEN, ...roomFor(addition), 'log.seq': after, 'log.lease.until': null },
      [{ $set: { ...taken(holder, ttl_ms), ...fieldsFor(addition) } }],
      { returnDocument: 'after', projection: { 'log.tail': { $slice: -news } } },
    );
    if (found === null) return null;
    const { log } = found;
    const latest = entriesOf(log);
    listener.appended(laneOf(found), latest.slice(-entries.length), false, watchersOf(log));
    const { token } = log.lease;
    return {
      lease: { ...ref, token, holder },
      head: headOf(log),
      taken_over: false,
      opened: true,
      latest,
      document: found,
    };
  }

  return {
    async claim(ref, holder, ttl_ms, opening = null, which = 'free_or_lost'): Promise<Claimed | null> {
      const opened = opening === null ? null : await claimAndOpen(ref, holder, ttl_ms, opening);
      if (opened !== null) return opened;
      const take = [{ $set: taken(holder, ttl_ms) }];
      // Nearly always nobody holds it, and finding just that costs half as much.
      let before = await sessions.findOneAndUpdate({ ...filterOf(ref), 'log.lease.until': null }, take);
      if (before === null && which === 'free_or_lost') {
        before = await sessions.findOneAndUpdate({ ...filterOf(ref), $expr: FREE }, take);
      }
      if (before === null) {
        // It may not be there at all.
        await find(ref);
        return null;
      }
      const token = before.log.lease.token + 1;
      return {
        lease: { ...ref, token, holder },
        head: { ...headOf(before.log), lease_token: token },
        taken_over: before.log.lease.holder !== null,
        opened: false,
        latest: entriesOf(before.log),
        document: before,
      };
    },

    renew: createRenewals(sessions),

    async release(lease) {
      await sessions.updateOne(
        { ...filterOf(lease), 'log.lease.token': lease.token },
        { $set: { 'log.lease.holder': null, 'log.lease.until': null } },
      );
    },
  };
}

/** The lease's fields in the hands of this holder, by the database's clock. */
function taken(holder: string, ttl_ms: number): Record<string, unknown> {
  return {
    'log.lease.token': { $add: ['$log.lease.token', 1] },
    'log.lease.holder': { $literal: holder },
    'log.lease.until': { $add: ['$$NOW', ttl_ms] },
  };
}
