import type { Collection, Db, Filter } from 'mongodb';

/** Slack says when somebody opens their tab, and never when they leave it: it is followed for a day. */
const FOLLOWED_S = 86_400;
/** However much changes, a tab is drawn again once in so long. */
export const REST_MS = 3_000;
/** Whoever draws one has so long; then it is somebody else's to draw. */
const CLAIM_MS = 30_000;
/** What became of what somebody did there stands for so long, whatever else changes. */
const NOTICE_MS = 60_000;

/** Somebody's Home tab, as whoever draws it needs it. */
export interface Home {
  tenant: string;
  user_id: string;
  notice: { text: string; until: Date } | null;
  /** Slack's word for what stands there; null: not known. */
  hash: string | null;
  /** How often something changed: what changes while it is drawn is drawn again. */
  wanted: number;
  /** How often it was put off since it was drawn last. */
  put_off: number;
}

interface StoredHome extends Home {
  /** Tenant and person, as JSON. */
  _id: string;
  opened_at: Date;
  drawn_at: Date | null;
  /** When it is due; while somebody draws it, when it is somebody else's to draw. Null: it shows what there is. */
  draw_at: Date | null;
}

/**
 * Who has opened their Home tab lately, and which of these are to be drawn again. Any number of gateways draw: one has a tab at
 * a time, and what one owed when it died is drawn by another.
 */
export interface Homes {
  createIndexes(): Promise<void>;
  /** Somebody looks at theirs; with what became of what they did there, else it is opened afresh. */
  opened(tenant: string, user_id: string, notice: string | null): Promise<Home>;
  /** Null: it is not followed. */
  find(home: Home): Promise<Home | null>;
  /** What those of them show who have theirs open is out of date. @param tenant null: wherever they are known */
  outdate(tenant: string | null, users: readonly string[]): Promise<void>;
  /** One that is due, for this caller; null when none is. */
  claim(): Promise<Home | null>;
  /** It shows what there was at `home`. */
  drawn(home: Home, hash: string | null): Promise<void>;
  /** It is due in `ms`, whatever it shows. */
  putOff(home: Home, ms: number): Promise<void>;
  /** It cannot be drawn, nor will it be: until it is opened again. */
  forget(home: Home): Promise<void>;
}

/** @param db null: nobody's is followed */
export function createHomes(db: Db | null, now: () => number): Homes {
  const homes: Collection<StoredHome> | undefined = db?.collection('slack_homes');
  const inMs = (ms: number) => new Date(now() + ms);

  return {
    async createIndexes() {
      await homes?.createIndexes([
        { key: { opened_at: 1 }, expireAfterSeconds: FOLLOWED_S },
        { key: { user_id: 1, tenant: 1 } },
        { key: { draw_at: 1 }, partialFilterExpression: { draw_at: { $type: 'date' } }, name: 'due' },
      ]);
    },

    async opened(tenant, user_id, text) {
      const notice = text === null ? null : { text, until: inMs(NOTICE_MS) };
      const opened = await homes?.findOneAndUpdate(
        { _id: keyOf({ tenant, user_id }) },
        {
          $set: { opened_at: inMs(0), notice },
          $setOnInsert: { tenant, user_id, hash: null, wanted: 0, put_off: 0, drawn_at: null, draw_at: null },
        },
        { upsert: true, returnDocument: 'after' },
      );
      return opened ?? homeOf(tenant, user_id, notice);
    },

    find: async (home) => (await homes?.findOne({ _id: keyOf(home) })) ?? null,

    async outdate(tenant, users) {
      const whose: Filter<StoredHome> = { user_id: { $in: [...users] }, ...(tenant !== null && { tenant }) };
      const rested = { $max: [inMs(0), { $add: ['$drawn_at', REST_MS] }] };
      await homes?.updateMany(whose, [
        { $set: { wanted: { $add: ['$wanted', 1] }, draw_at: { $ifNull: ['$draw_at', rested] } } },
      ]);
    },

    async claim() {
      // By its type too, because the index holds no others.
      const due = { draw_at: { $lte: inMs(0), $type: 'date' as const } };
      const claimed = { $set: { draw_at: inMs(CLAIM_MS) } };
      return (await homes?.findOneAndUpdate(due, claimed, { sort: { draw_at: 1 } })) ?? null;
    },

    async drawn(home, hash) {
      const isLatest = { $eq: ['$wanted', home.wanted] };
      const draw_at = { $cond: [isLatest, null, inMs(REST_MS)] };
      await homes?.updateOne({ _id: keyOf(home) }, [
        { $set: { hash: { $literal: hash }, drawn_at: inMs(0), put_off: 0, draw_at } },
      ]);
    },

    async putOff(home, ms) {
      await homes?.updateOne({ _id: keyOf(home) }, { $set: { draw_at: inMs(ms) }, $inc: { put_off: 1 } });
    },

    async forget(home) {
      await homes?.deleteOne({ _id: keyOf(home) });
    },
  };
}

/** One that is kept nowhere. */
export function homeOf(tenant: string, user_id: string, notice: Home['notice']): Home {
  return { tenant, user_id, notice, hash: null, wanted: 0, put_off: 0 };
}

function keyOf({ tenant, user_id }: Pick<Home, 'tenant' | 'user_id'>): string {
  return JSON.stringify([tenant, user_id]);
}
