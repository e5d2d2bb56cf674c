import { createHash } from 'node:crypto';
import { type Collection, type Db, ObjectId } from 'mongodb';
import { isDuplicate } from '../session/duplicate.ts';
import { derivedId } from '../session/id.ts';
import type { ConversationKey, InboundDecision, InboundMessage, InboundStop } from './connector.ts';

const INBOUND = 'inbound';
/** How long doubles are recognised. Slack retries for about an hour, Teams for minutes. */
const REMEMBERED_S = 7 * 24 * 60 * 60;
const LAST_ATTEMPT_MS = 15 * 60_000;

export type Inbound =
  | { kind: 'message'; message: InboundMessage }
  | { kind: 'decision'; decision: InboundDecision }
  | { kind: 'stop'; stop: InboundStop };

/**
 * One chat event, from its claim to its effect.
 *
 *   received  claimed by its platform's id; its effect may or may not have happened. Left when it certainly has, by the
 *             process that claimed it, by a redelivery or by the sweep: applying it twice has one effect.
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
  attempts: number;
  next_attempt_at: Date;
  applied_at?: Date;
}

/** A session that an event goes to, and where its log stood before. */
export interface Target {
  workspace_id: string;
  session_id: string;
  after_seq: number;
}

/** A claimed event that is not applied yet. */
export interface ClaimedInbound {
  id: ObjectId;
  inbound: Inbound;
  targets: Target[] | null;
}

export interface InboundStore {
  /** Null: it is a double of one that was applied. A double of one that was not is given out again. */
  claim(inbound: Inbound, now: number): Promise<ClaimedInbound | null>;
  /** Fix where it goes instead of where `claimed` says; returns where it does, which a faster one may have fixed. */
  target(claimed: ClaimedInbound, targets: Target[]): Promise<Target[]>;
  applied(claimed: ClaimedInbound, now: number): Promise<void>;
  /** One whose process died, for this caller alone until its next attempt is due; null when there is none. */
  claimLost(now: number): Promise<ClaimedInbound | null>;
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
    { key: { next_attempt_at: 1 }, partialFilterExpression: { state: 'received' }, name: 'unapplied' },
  ]);
}

/** An event that is not applied after `lost_after_ms` belongs to a process that died; then the wait doubles. */
export function createInboundStore(db: Db, lost_after_ms: number): InboundStore {
  const events: Collection<InboundDocument> = db.collection(INBOUND, {
    writeConcern: { w: 'majority', journal: true },
  });

  return {
    async claim(inbound, now) {
      const _id = new ObjectId();
      const keys = keysOf(inbound);
      const next_attempt_at = new Date(now + lost_after_ms);
      try {
        await events.insertOne({ _id, ...keys, state: 'received', inbound, attempts: 0, next_attempt_at });
        return { id: _id, inbound, targets: null };
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
      const { event_key, message_key } = keys;
      const known = await events.findOne({
        $or: [{ event_key }, ...(message_key === undefined ? [] : [{ message_key }])],
      });
      return known === null ? null : claimedOf(known);
    },

    async target(claimed, targets) {
      const before = claimed.targets === null ? { $exists: false } : { $eq: claimed.targets };
      const fixed = await events.updateOne({ _id: claimed.id, targets: before }, { $set: { targets } });
      if (fixed.matchedCount === 1) return targets;
      const now = await events.findOne({ _id: claimed.id }, { projection: { targets: 1 } });
      return now?.targets ?? targets;
    },

    async applied(claimed, now) {
      await events.updateOne(
        { _id: claimed.id },
        { $set: { state: 'applied', applied_at: new Date(now) }, $unset: { inbound: '' } },
      );
    },

    async claimLost(now) {
      const lost = await events.findOne(
        { state: 'received', next_attempt_at: { $lte: new Date(now) } },
        { sort: { next_attempt_at: 1 } },
      );
      if (lost === null) return null;
      const wait = Math.min(LAST_ATTEMPT_MS, lost_after_ms * 2 ** lost.attempts);
      const mine = await events.updateOne(
        { _id: lost._id, state: 'received', attempts: lost.attempts },
        { $set: { next_attempt_at: new Date(now + wait) }, $inc: { attempts: 1 } },
      );
      return mine.matchedCount === 1 ? claimedOf(lost) : this.claimLost(now);
    },
  };
}

/** The id of the event that this message or stop becomes in a log: the same one, however often it is applied. */
export function loggedEventId(inbound: Inbound, session_id: string): `sevt_${string}` {
  const { event_key, message_key } = keysOf(inbound);
  const hash = createHash('sha256')
    .update(`${message_key ?? event_key}\n${session_id}`)
    .digest('hex');
  return derivedId('sevt', `in_${hash.slice(0, 32)}`);
}

function keysOf(inbound: Inbound): { event_key: string; message_key?: string } {
  switch (inbound.kind) {
    case 'message': {
      const { conversation, event_id, message_id } = inbound.message;
      // By channel, without the tenant: Slack names one message's team differently to different installations.
      const message_key = keyOf('message', conversation.connector, conversation.channel, message_id);
      return { event_key: eventKey(conversation, event_id), message_key };
    }
    case 'decision':
      return { event_key: eventKey(inbound.decision.conversation, inbound.decision.event_id) };
    case 'stop':
      return { event_key: eventKey(inbound.stop.conversation, inbound.stop.event_id) };
    default:
      return inbound satisfies never;
  }
}

function eventKey(conversation: ConversationKey, event_id: string): string {
  return keyOf('event', conversation.connector, conversation.tenant, event_id);
}

/** Ids are the platform's and may hold anything: as JSON no two lists of them are the same text. */
function keyOf(...parts: string[]): string {
  return JSON.stringify(parts);
}

function claimedOf(document: InboundDocument): ClaimedInbound | null {
  if (document.state === 'applied' || document.inbound === undefined) return null;
  return { id: document._id, inbound: document.inbound, targets: document.targets ?? null };
}
