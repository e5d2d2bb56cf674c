import { type Collection, type Db, type Document, type Filter, ObjectId } from 'mongodb';
import { duplicatesAside } from '../session/duplicate.ts';
import type { SessionRef } from '../session/log.ts';
import { createHolder, createHolderIndexes } from './inbound-holder.ts';
import { type Inbound, keysOf, messageKey } from './inbound-keys.ts';
import type { Delays } from './later.ts';
import { createLots } from './lots.ts';
import type { ConversationKey } from './place.ts';

const INBOUND = 'inbound';
/** How long doubles are recognised. Slack retries for about an hour, Teams for minutes. */
const REMEMBERED_S = 7 * 24 * 60 * 60;
const LAST_ATTEMPT_MS = 15 * 60_000;
/** More doublings than lead to it. */
const MOST_DOUBLINGS = 20;
/** Events written at once. */
const LOT = 100;

/**
 * One chat event, from its arrival to its effect.
 *
 *   received  kept under its platform's id, and its holder's to apply: of the process that kept it, for as long as that
 *             lives and says so; then nobody's, and due for whoever takes it. Its effect may or may not have happened.
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
  /** Whose it is to apply; null: nobody's. */
  holder: string | null;
  /** When it is due, of one that is nobody's. */
  next_attempt_at?: Date;
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
  /** Say that this process lives, and so has what it holds. */
  beat(): Promise<void>;
  /** It could not be applied here: anybody may take it now. */
  release(kept: KeptInbound): Promise<void>;
  /** It failed whoever took it: anybody's, after a wait that doubles with each attempt. */
  retryLater(kept: KeptInbound): Promise<void>;
  /** What this process holds is anybody's: it stops. */
  leave(): Promise<void>;
  /** Nobody takes it for so long; then it is anybody's. */
  putOff(kept: KeptInbound, ms: number): Promise<void>;
  /**
   * What is put off of this conversation's messages, or of this message alone, or for this session, is not applied any more.
   * Returns how many.
   */
  endPutOff(of: { conversation: ConversationKey; message_id?: string } | SessionRef): Promise<number>;
  /** What dead processes hold, and what this one does and nobody in it is at, is anybody's. */
  endAbandoned(): Promise<void>;
  /** The oldest that is nobody's and due, for this process alone; null when there is none. */
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
    { key: { holder: 1, next_attempt_at: 1, _id: 1 }, partialFilterExpression: { state: 'received' } },
  ]);
  await createHolderIndexes(db);
}

const NEVER: Delays = { times: 0, ms: 0 };
const APPLIED = {
  $set: { state: 'applied' as const },
  $currentDate: { applied_at: true as const },
  $unset: { inbound: '' as const },
};
const IS_DUE = { $lte: ['$next_attempt_at', '$$NOW'] };
/** 1 after the first attempt, as after none, and twice as much after each other. */
const DOUBLED = { $pow: [2, { $min: [MOST_DOUBLINGS, { $max: [0, { $subtract: ['$attempts', 1] }] }] }] };

/** What a process holds that has not said for `lost_after_ms` that it lives is anybody's. */
export function createInboundStore(db: Db, lost_after_ms: number): InboundStore {
  const events: Collection<InboundDocument> = db.collection(INBOUND, {
    writeConcern: { w: 'majority', journal: true },
  });
  const me = createHolder(db, lost_after_ms);

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
    await events.updateMany({ _id: { $in: ids }, state: 'received', holder: me.id }, nobodys(0));
    return ids.map(() => undefined);
  });

  /** What dead processes held is nobody's: at once, and later where it may be what they die of. */
  async function free(dead: string[]): Promise<void> {
    const wait = atMost({ $multiply: [lost_after_ms, { $subtract: [DOUBLED, 1] }] });
    await events.updateMany({ state: 'received', holder: { $in: dead } }, nobodys(wait));
  }

  /** What this process holds and nobody in it is at. */
  async function giveBackForgotten(): Promise<void> {
    const held = await events.find({ state: 'received', holder: me.id }, { projection: { _id: 1 } }).toArray();
    const forgotten = held.map(({ _id }) => _id).filter((id) => !me.isAt(id));
    if (forgotten.length === 0) return;
    await events.updateMany({ _id: { $in: forgotten }, state: 'received', holder: me.id }, nobodys(0));
  }

  /** An event that is known; what a dead process held of it is nobody's. */
  async function find(which: Filter<InboundDocument>): Promise<InboundDocument> {
    const found = await events.findOne(which);
    // Without it nobody has the event: better that it is delivered again.
    if (found === null) throw new Error('A chat event was known, and is not there');
    if (found.state === 'applied' || found.holder === null || found.holder === me.id) return found;
    await me.endDead(free);
    return (await events.findOne({ _id: found._id })) ?? found;
  }

  /** Null: it is applied, not due yet, or somebody else was faster. */
  async function take(known: InboundDocument): Promise<KeptInbound | null> {
    const { _id, attempts } = known;
    await me.beKnown();
    // Looked at right before it is held: of two doubles at the same time one gets it.
    if (me.isAt(_id)) return null;
    // A write of this process that failed has happened: nobody is at it.
    if (known.holder === me.id)
      return me.hold(
        _id,
        async () => unapplied(known),
        (event) => event !== null,
      );
    const write = () =>
      events.updateOne(
        { _id, state: 'received', holder: null, attempts, $expr: IS_DUE },
        { $set: { holder: me.id, attempts: attempts + 1 }, $unset: { next_attempt_at: '' } },
      );
    const { matchedCount } = await me.hold(_id, write, (taken) => taken.matchedCount === 1);
    return matchedCount === 1 ? unapplied(known) : null;
  }

  return {
    async keep(inbound) {
      const id = new ObjectId();
      const keys = keysOf(inbound);
      const { event_key, message_key } = keys;
      const keep = async () => {
        if (await keepNew({ _id: id, ...keys, state: 'received', inbound, attempts: 0, holder: me.id })) return null;
        const known = await find({ $or: [{ event_key }, ...(message_key === undefined ? [] : [{ message_key }])] });
        // The driver wrote it twice, because the answer to the first write was lost.
        return known._id.equals(id) ? null : known;
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
      const waiting = await events.findOne<{ put_off?: Delays; wait: number }>(
        { message_key, state: 'received' },
        { projection: { put_off: 1, wait } },
      );
      if (waiting === null) return null;
      return waiting.put_off === undefined ? 0 : Math.max(0, waiting.wait);
    },

    beat: me.beat,

    async endAbandoned() {
      await me.whereUnsure(giveBackForgotten);
      await me.endDead(free);
    },

    async release(kept) {
      await me.letGo(kept.id, giveBack(kept.id));
    },

    async retryLater(kept) {
      const later = nobodys(atMost({ $multiply: [lost_after_ms, DOUBLED] }));
      await me.letGo(kept.id, events.updateOne({ _id: kept.id, state: 'received', holder: me.id }, later));
    },

    async leave() {
      await events.updateMany({ state: 'received', holder: me.id }, nobodys(0));
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

    async takeLost() {
      for (;;) {
        // The first of all is due, or none is.
        const [lost] = await events
          .aggregate<InboundDocument>([
            { $match: { state: 'received', holder: null } },
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

/** An update that makes an event anybody's after this wait: in milliseconds, or an expression for them. */
function nobodys(wait: number | Document): [Document] {
  return [{ $set: { holder: null, next_attempt_at: { $add: ['$$NOW', wait] } } }];
}

function atMost(wait: Document): Document {
  return { $min: [LAST_ATTEMPT_MS, wait] };
}

function unapplied({ _id, state, inbound, targets, put_off }: InboundDocument): KeptInbound | null {
  if (state === 'applied' || inbound === undefined) return null;
  return { id: _id, inbound, targets: targets ?? null, put_off: put_off ?? NEVER };
}
