import type { Collection, Document, Filter, ObjectId } from 'mongodb';
import { type InboundDocument, type KeptInbound, nobodys, unapplied } from './inbound-document.ts';
import type { Holder } from './inbound-holder.ts';
import { createLots } from './lots.ts';

const LAST_ATTEMPT_MS = 15 * 60_000;
/** More doublings than lead to it. */
const MOST_DOUBLINGS = 20;
/** Events given back at once. */
const LOT = 100;
const IS_DUE = { $lte: ['$next_attempt_at', '$$NOW'] };
/** 1 after the first attempt, as after none, and twice as much after each other. */
const DOUBLED = { $pow: [2, { $min: [MOST_DOUBLINGS, { $max: [0, { $subtract: ['$attempts', 1] }] }] }] };

/** Whose a kept event is to apply. The clock is the database's. */
export interface Custody {
  /** Say that this process lives, and so has what it holds. */
  beat(): Promise<void>;
  /** It could not be applied here: anybody may take it now. */
  release(kept: KeptInbound): Promise<void>;
  /** It failed whoever took it: anybody's, after a wait that doubles with each attempt. */
  retryLater(kept: KeptInbound): Promise<void>;
  /** What this process holds is anybody's: it stops. */
  leave(): Promise<void>;
  /** What dead processes hold, and what this one does and nobody in it is at, is anybody's. */
  endAbandoned(): Promise<void>;
  /** The oldest that is nobody's and due, for this process alone; null when there is none. */
  takeLost(): Promise<KeptInbound | null>;
}

/** What somebody who has come upon an event does with it. */
interface Finding {
  /** An event that is known; what a dead process held of it is nobody's. Null: it is forgotten. */
  find(which: Filter<InboundDocument>): Promise<InboundDocument | null>;
  /** Null: it is applied, not due yet, or somebody else was faster. */
  take(known: InboundDocument): Promise<KeptInbound | null>;
}

/** What a process holds that has not said for `lost_after_ms` that it lives is anybody's. */
export function createCustody(
  events: Collection<InboundDocument>,
  me: Holder,
  lost_after_ms: number,
): Custody & Finding {
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

  const giveBack = createLots<ObjectId, void>({ most: LOT }, async (ids) => {
    await events.updateMany({ _id: { $in: ids }, state: 'received', holder: me.id }, nobodys(0));
    return ids.map(() => undefined);
  });

  async function find(which: Filter<InboundDocument>): Promise<InboundDocument | null> {
    const found = await events.findOne(which);
    if (found === null) return null;
    if (found.state === 'applied' || found.holder === null || found.holder === me.id) return found;
    await me.endDead(free);
    return events.findOne({ _id: found._id });
  }

  async function stillMine(_id: ObjectId): Promise<KeptInbound | null> {
    const mine = await events.findOne({ _id, state: 'received', holder: me.id });
    return mine === null ? null : unapplied(mine);
  }

  async function take(known: InboundDocument): Promise<KeptInbound | null> {
    const { _id, attempts } = known;
    await me.beKnown();
    // Looked at right before it is held: of two doubles at the same time one gets it.
    if (me.isAt(_id)) return null;
    // A write of this process that failed has happened, and nobody is at it; or it was applied here since it was found.
    if (known.holder === me.id)
      return me.hold(
        _id,
        () => stillMine(_id),
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
    find,
    take,
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

function atMost(wait: Document): Document {
  return { $min: [LAST_ATTEMPT_MS, wait] };
}
