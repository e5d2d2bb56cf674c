import { type Collection, type Db, type Document, ObjectId } from 'mongodb';
import { duplicatesAside } from '../session/duplicate.ts';
import type { SessionRef } from '../session/log.ts';
import { type Inbound, keysOf, messageKey } from './inbound-keys.ts';
import type { Delays } from './later.ts';
import { createLots } from './lots.ts';
import type { ConversationKey } from './place.ts';

const INBOUND = 'inbound';
/** How long doubles are recognised. Slack retries for about an hour, Teams for minutes. */
const REMEMBERED_S = 7 * 24 * 60 * 60;
const LAST_ATTEMPT_MS = 15 * 60_000;
/** Events written at once. */
const LOT = 100;

/**
 * One chat event, from its arrival to its effect.
 *
 *   received  kept under its platform's id, and somebody's to apply until `next_attempt_at`: of the process that kept it,
 *             for as long as that lives and says so; then of whoever takes it. Its effect may or may not have happened.
 *             Left when it certainly has: applying it twice has one effect. Who has to wait for the platform puts it off:
 *             nobody's, and due when the platform said.
 *   applied   done; kept without its content for some days, so that a double is known.
 */
interface InboundDocument {
  _id: ObjectId;
  event_key: string;
  /** Two events about one message share it. */
  message_key?: string;
  state: 'received' | 'applied';
  /** Gone once applied. */
  inbound?: Inbound;
  /** The sessions it goes to, fixed before the first effect. Kept: a double that is late must find the same ones. */
  targets?: Target[];
  /** How often it was taken over, since it was put off. */
  attempts: number;
  put_off?: Delays;
  next_attempt_at: Date;
  applied_at?: Date;
}

/** A session that an event goes to, and where its log stood before. */
export interface Target {
  workspace_id: string;
  session_id: string;
  after_seq: number;
}

/** A kept event that is not applied yet, and the caller's to apply. */
export interface KeptInbound {
  id: ObjectId;
  inbound: Inbound;
  targets: Target[] | null;
  put_off: Delays;
}

/** The clock is the database's. */
export interface InboundStore {
  /** Null: it is a double of one that was applied or is somebody's to apply. A double of one that is nobody's is given out. */
  keep(inbound: Inbound): Promise<KeptInbound | null>;
  /** Fix where it goes instead of where `kept` says; returns where it does, which a faster one may have fixed. */
  target(kept: KeptInbound, targets: Target[]): Promise<Target[]>;
  applied(kept: KeptInbound): Promise<void>;
  /** It had no effect and may come again, as a form does whose fields were wrong. */
  forget(kept: KeptInbound): Promise<void>;
  /** As it stands now; null when it is applied. */
  reread(kept: KeptInbound): Promise<KeptInbound | null>;
  /** This message is kept, here or elsewhere, and not applied yet: for how long it is put off, 0 if it is not. Else null. */
  waitOf(message: { conversation: ConversationKey; message_id: string }): Promise<number | null>;
  /** These are still being applied. */
  renew(ids: readonly ObjectId[]): Promise<void>;
  /** It could not be applied here: anybody may take it now. */
  release(kept: KeptInbound): Promise<void>;
  /** Nobody takes it for so long; then it is anybody's. */
  putOff(kept: KeptInbound, ms: number): Promise<void>;
  /**
   * What is put off of this conversation's messages, or of this message alone, or for this session, is not applied any more.
   * Returns how many.
   */
  endPutOff(of: { conversation: ConversationKey; message_id?: string } | SessionRef): Promise<number>;
  /** The oldest that is nobody's, for this caller alone until its next attempt is due; null when there is none. */
  takeLost(): Promise<KeptInbound | null>;
}

/** Indexes that receiving needs; safe to call at every start. */
export async function createInboundIndexes(db: Db): Promise<void> {
  await db.collection(INBOUND).createIndexes([
    { key: { event_key: 1 }, unique: true },
    {
      key: { message_key: 1 },
      unique: true,
      partialFilterExpression: { message_key: { $exists: true } },
    },
    { key: { applied_at: 1 }, expireAfterSeconds: REMEMBERED_S },
    { key: { next_attempt_at: 1, _id: 1 }, partialFilterExpression: { state: 'received' } },
  ]);
}

/** An event as it is written first; when it is due is the database's to say. */
type NewInbound = Omit<InboundDocument, 'next_attempt_at'>;

const IS_NEW = { $eq: [{ $type: '$state' }, 'missing'] };
const NEVER: Delays = { times: 0, ms: 0 };
const APPLIED = {
  $set: { state: 'applied' as const },
  $currentDate: { applied_at: true as const },
  $unset: { inbound: '' as const },
};
const IS_DUE = { $lte: ['$next_attempt_at', '$$NOW'] };

/** An event that nobody has spoken for in `lost_after_ms` belongs to a process that died; then the wait doubles. */
export function createInboundStore(db: Db, lost_after_ms: number): InboundStore {
  const events: Collection<InboundDocument> = db.collection(INBOUND, {
    writeConcern: { w: 'majority', journal: true },
  });

  /** False: it is a double. */
  const keepNew = createLots<NewInbound, boolean>({ most: LOT }, async (fresh) => {
    const upserts = fresh.map((document) => ({
      updateOne: {
        filter: { event_key: document.event_key },
        update: [{ $replaceWith: { $cond: [IS_NEW, dueIn(document, lost_after_ms), '$$ROOT'] } }],
        upsert: true,
      },
    }));
    const { upsertedIds } = await events
      .bulkWrite(upserts, { ordered: false })
      .catch((error: unknown) => duplicatesAside(error, upserts.length));
    return fresh.map((_document, index) => upsertedIds[index] !== undefined);
  });

  /** False: perhaps a faster one fixed another. */
  const fixTarget = createLots<{ kept: KeptInbound; targets: Target[] }, boolean>({ most: LOT }, async (asked) => {
    const updates = asked.map(({ kept, targets }) => ({
      updateOne: {
        filter: { _id: kept.id, targets: kept.targets === null ? { $exists: false } : { $eq: kept.targets } },
        update: { $set: { targets } },
      },
    }));
    const { matchedCount } = await events.bulkWrite(updates, { ordered: false });
    return asked.map(() => matchedCount === asked.length);
  });

  /** A crash that undoes it costs another look, and no more. */
  const markApplied = createLots<ObjectId, void>({ most: LOT }, async (ids) => {
    await events.updateMany({ _id: { $in: ids } }, APPLIED);
    return ids.map(() => undefined);
  });

  const giveBack = createLots<ObjectId, void>({ most: LOT }, async (ids) => {
    const released = { _id: { $in: ids }, state: 'received' as const };
    await events.updateMany(released, [{ $set: { next_attempt_at: '$$NOW' } }]);
    return ids.map(() => undefined);
  });

  /** Null: it is applied, not due yet, or somebody else was faster. */
  async function take(known: InboundDocument): Promise<KeptInbound | null> {
    const { _id, attempts } = known;
    const wait = Math.min(LAST_ATTEMPT_MS, lost_after_ms * 2 ** attempts);
    const mine = await events.updateOne({ _id, state: 'received', attempts, $expr: IS_DUE }, [
      { $set: { attempts: attempts + 1, next_attempt_at: { $add: ['$$NOW', wait] } } },
    ]);
    return mine.matchedCount === 1 ? unapplied(known) : null;
  }

  return {
    async keep(inbound) {
      const id = new ObjectId();
      const keys = keysOf(inbound);
      if (await keepNew({ _id: id, ...keys, state: 'received', inbound, attempts: 0 }))
        return { id, inbound, targets: null, put_off: NEVER };
      const { event_key, message_key } = keys;
      const known = await events.findOne({
        $or: [{ event_key }, ...(message_key === undefined ? [] : [{ message_key }])],
      });
      // Without it nobody has the event: better that it is delivered again.
      if (known === null) throw new Error('A chat event was known, and is not there');
      return take(known);
    },

    async target(kept, targets) {
      if (await fixTarget({ kept, targets })) return targets;
      const now = await events.findOne({ _id: kept.id }, { projection: { targets: 1 } });
      return now?.targets ?? targets;
    },

    async applied(kept) {
      await markApplied(kept.id);
    },

    async forget(kept) {
      await events.deleteOne({ _id: kept.id });
    },

    async reread({ id }) {
      const known = await events.findOne({ _id: id });
      return known === null ? null : unapplied(known);
    },

    async waitOf({ conversation, message_id }) {
      const message_key = messageKey(conversation, message_id);
      const wait = { $cond: [{ $eq: ['$attempts', 0] }, { $subtract: ['$next_attempt_at', '$$NOW'] }, 0] };
      const waiting = await events.findOne<{ put_off?: Delays; wait: number }>(
        { message_key, state: 'received' },
        { projection: { put_off: 1, wait } },
      );
      if (waiting === null) return null;
      return waiting.put_off === undefined ? 0 : Math.max(0, waiting.wait);
    },

    async renew(ids) {
      // Never earlier: the wait before another attempt may be a longer one.
      const next_attempt_at = { $max: ['$next_attempt_at', { $add: ['$$NOW', lost_after_ms] }] };
      await events.updateMany({ _id: { $in: [...ids] }, state: 'received' }, [{ $set: { next_attempt_at } }]);
    },

    async release(kept) {
      await giveBack(kept.id);
    },

    async putOff({ id, put_off: { times, ms } }, wait) {
      const put_off = { times: times + 1, ms: ms + wait };
      await events.updateOne({ _id: id, state: 'received' }, [
        { $set: { attempts: 0, put_off, next_attempt_at: { $add: ['$$NOW', wait] } } },
      ]);
    },

    async endPutOff(of) {
      const { modifiedCount } = await events.updateMany(
        {
          state: 'received',
          // Any: so the index of what is received serves it.
          next_attempt_at: { $gt: new Date(0) },
          put_off: { $exists: true },
          // Nobody has taken it since.
          attempts: 0,
          ...('session_id' in of
            ? { targets: { $elemMatch: { workspace_id: of.workspace_id, session_id: of.session_id } } }
            : messagesAmong(of)),
        },
        APPLIED,
      );
      return modifiedCount;
    },

    async takeLost() {
      for (;;) {
        // The first of all is due, or none is.
        const [lost] = await events
          .aggregate<InboundDocument>([
            { $match: { state: 'received' } },
            { $sort: { next_attempt_at: 1, _id: 1 } },
            { $limit: 1 },
            { $match: { $expr: IS_DUE } },
          ])
          .toArray();
        if (lost === undefined) return null;
        const mine = await take(lost);
        if (mine !== null) return mine;
      }
    },
  };
}

/** Not by tenant, as in `messageKey`. */
function messagesAmong({
  conversation: { connector, channel, thread },
  message_id,
}: {
  conversation: ConversationKey;
  message_id?: string;
}): Document {
  const at = 'inbound.message';
  return {
    [`${at}.conversation.connector`]: connector,
    [`${at}.conversation.channel`]: channel,
    [`${at}.conversation.thread`]: thread,
    ...(message_id !== undefined && { [`${at}.message_id`]: message_id }),
  };
}

function unapplied({ _id, state, inbound, targets, put_off }: InboundDocument): KeptInbound | null {
  if (state === 'applied' || inbound === undefined) return null;
  return { id: _id, inbound, targets: targets ?? null, put_off: put_off ?? NEVER };
}

/** An insert, but by the database's clock. */
function dueIn(document: NewInbound, ms: number): Document {
  return { $mergeObjects: [{ $literal: document }, { next_attempt_at: { $add: ['$$NOW', ms] } }] };
}
