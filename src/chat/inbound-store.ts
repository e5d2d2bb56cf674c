import { type Collection, type Db, type Document, ObjectId } from 'mongodb';
import { duplicatesAside } from '../session/duplicate.ts';
import type { SessionRef } from '../session/log.ts';
import { type Custody, createCustody } from './inbound-custody.ts';
import { type InboundDocument, type KeptInbound, NEVER, nobodys, type Target, unapplied } from './inbound-document.ts';
import { createHolder, createHolderIndexes } from './inbound-holder.ts';
import { type Inbound, keysOf, messageKey } from './inbound-keys.ts';
import type { Delays } from './later.ts';
import { createLots, PER_EVENT } from './lots.ts';
import type { ConversationKey } from './place.ts';

const INBOUND = 'inbound';
/** How long doubles are recognised. Slack retries for about an hour, Teams for minutes. */
const REMEMBERED_S = 7 * 24 * 60 * 60;
/** How often one is kept whose double is forgotten each time. */
const KEEP_TRIES = 3;
/** Events written at once. */
const LOT = 100;
/** Between two writes of what is applied: they hold up the next of the same conversation, and who waits for a receipt. */
const APPLIED_APART_MS = 20;

/** What is known of each chat event. The clock is the database's. */
export interface InboundStore extends Custody {
  /** Null: it is a double of one that was applied or is somebody's to apply. A double of one that is nobody's is given out. */
  keep(inbound: Inbound): Promise<KeptInbound | null>;
  /** Fix where it goes instead of where `kept` says; returns where it does, which a faster one may have fixed. */
  target(kept: KeptInbound, targets: Target[]): Promise<Target[]>;
  applied(kept: KeptInbound): Promise<void>;
  isApplied(inbound: Inbound): Promise<boolean>;
  /** It had no effect and may come again, as a form does whose fields were wrong. */
  forget(kept: KeptInbound): Promise<void>;
  /** As it stands now; null when it is applied. */
  reread(kept: KeptInbound): Promise<KeptInbound | null>;
  /**
   * This message is kept and not applied yet: for how long it is put off, 0 if it is not, and whether somebody in this process
   * is at it. Else null.
   */
  waitOf(message: {
    conversation: ConversationKey;
    message_id: string;
  }): Promise<{ wait_ms: number; is_here: boolean } | null>;
  /** Nobody takes it for so long; then it is anybody's. */
  putOff(kept: KeptInbound, ms: number): Promise<void>;
  /**
   * What is put off of this conversation's messages, or of this message alone, or for this session, is not applied any more.
   * Returns how many.
   */
  endPutOff(of: { conversation: ConversationKey; message_id?: string } | SessionRef): Promise<number>;
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
    { key: { holder: 1, next_attempt_at: 1, _id: 1 }, partialFilterExpression: { state: 'received' } },
  ]);
  await createHolderIndexes(db);
}

const APPLIED = {
  $set: { state: 'applied' as const },
  $currentDate: { applied_at: true as const },
  $unset: { inbound: '' as const },
};

/** What a process holds that has not said for `lost_after_ms` that it lives is anybody's. */
export function createInboundStore(db: Db, lost_after_ms: number): InboundStore {
  const events: Collection<InboundDocument> = db.collection(INBOUND, {
    writeConcern: { w: 'majority', journal: true },
  });
  const me = createHolder(db, lost_after_ms);
  const { find, take, ...custody } = createCustody(events, me, lost_after_ms);

  /** False: it is a double. */
  const keepNew = createLots<InboundDocument, boolean>({ most: LOT }, async (fresh) => {
    await me.beKnown();
    const result = await events
      .bulkWrite(
        fresh.map((document) => ({ insertOne: { document } })),
        { ordered: false },
      )
      .catch((error: unknown) => duplicatesAside(error, fresh.length));
    const doubles = new Set(result.getWriteErrors().map(({ index }) => index));
    return fresh.map((_document, index) => !doubles.has(index));
  });

  /** False: perhaps a faster one fixed another. */
  const fixTarget = createLots<{ kept: KeptInbound; targets: Target[] }, boolean>(PER_EVENT, async (asked) => {
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
  const markApplied = createLots<ObjectId, void>({ most: LOT, apart_ms: APPLIED_APART_MS }, async (ids) => {
    await events.updateMany({ _id: { $in: ids } }, APPLIED);
    return ids.map(() => undefined);
  });

  return {
    ...custody,

    async keep(inbound) {
      const id = new ObjectId();
      const keys = keysOf(inbound);
      const { event_key, message_key } = keys;
      const keep = async () => {
        for (let tries = 1; tries <= KEEP_TRIES; tries++) {
          if (await keepNew({ _id: id, ...keys, state: 'received', inbound, attempts: 0, holder: me.id })) return null;
          const known = await find({ $or: [{ event_key }, ...(message_key === undefined ? [] : [{ message_key }])] });
          // The driver wrote it twice, because the answer to the first write was lost.
          if (known?._id.equals(id) === true) return null;
          // Else it had no effect and is forgotten since, as a form is whose fields were wrong: this one is as good.
          if (known !== null) return known;
        }
        // Nobody has the event: better that it is delivered again.
        throw new Error('A chat event was known, and is not there');
      };
      const double = await me.hold(id, keep, (known) => known === null);
      return double === null ? { id, inbound, targets: null, put_off: NEVER } : take(double);
    },

    async target(kept, targets) {
      if (await fixTarget({ kept, targets })) return targets;
      const now = await events.findOne({ _id: kept.id }, { projection: { targets: 1 } });
      return now?.targets ?? targets;
    },

    async applied(kept) {
      await me.letGo(kept.id, markApplied(kept.id));
    },

    async isApplied(inbound) {
      const { event_key } = keysOf(inbound);
      return (await events.findOne({ event_key, state: 'applied' }, { projection: { _id: 1 } })) !== null;
    },

    async forget(kept) {
      await me.letGo(kept.id, events.deleteOne({ _id: kept.id }));
    },

    async reread({ id }) {
      const known = await events.findOne({ _id: id });
      const left = known === null ? null : unapplied(known);
      return left ?? me.letGo(id, Promise.resolve(null));
    },

    async waitOf({ conversation, message_id }) {
      const message_key = messageKey(conversation, message_id);
      const wait = { $cond: [{ $eq: ['$holder', null] }, { $subtract: ['$next_attempt_at', '$$NOW'] }, 0] };
      const waiting = await events.findOne<{ _id: ObjectId; put_off?: Delays; wait: number }>(
        { message_key, state: 'received' },
        { projection: { put_off: 1, wait } },
      );
      if (waiting === null) return null;
      return {
        wait_ms: waiting.put_off === undefined ? 0 : Math.max(0, waiting.wait),
        is_here: me.isAt(waiting._id),
      };
    },

    async putOff(kept, wait) {
      const { times, ms } = kept.put_off;
      const put_off = { times: times + 1, ms: ms + wait };
      const waiting = [{ $set: { attempts: 0, put_off } }, ...nobodys(wait)];
      await me.letGo(kept.id, events.updateOne({ _id: kept.id, state: 'received', holder: me.id }, waiting));
    },

    async endPutOff(of) {
      const { modifiedCount } = await events.updateMany(
        {
          state: 'received',
          // Nobody has taken it since.
          holder: null,
          attempts: 0,
          put_off: { $exists: true },
          ...('session_id' in of
            ? { targets: { $elemMatch: { workspace_id: of.workspace_id, session_id: of.session_id } } }
            : messagesAmong(of)),
        },
        APPLIED,
      );
      return modifiedCount;
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
