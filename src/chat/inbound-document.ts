import type { Document, ObjectId } from 'mongodb';
import type { Inbound } from './inbound-keys.ts';
import type { Delays } from './later.ts';

/**
 * One chat event, from its arrival to its effect.
 *
 *   received  kept under its platform's id, and its holder's to apply: of the process that kept it, for as long as that
 *             lives and says so; then nobody's, and due for whoever takes it. Its effect may or may not have happened.
 *             Left when it certainly has: applying it twice has one effect. Who has to wait for the platform puts it off:
 *             nobody's, and due when the platform said.
 *   applied   done; kept without its content for some days, so that a double is known.
 */
export interface InboundDocument {
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

export const NEVER: Delays = { times: 0, ms: 0 };

export function unapplied({ _id, state, inbound, targets, put_off }: InboundDocument): KeptInbound | null {
  if (state === 'applied' || inbound === undefined) return null;
  return { id: _id, inbound, targets: targets ?? null, put_off: put_off ?? NEVER };
}

/** An update that makes an event anybody's after this wait: in milliseconds, or an expression for them. */
export function nobodys(wait: number | Document): [Document] {
  return [{ $set: { holder: null, next_attempt_at: { $add: ['$$NOW', wait] } } }];
}
