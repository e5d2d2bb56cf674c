import { createHash, randomBytes } from 'node:crypto';
import type { Collection, Db } from 'mongodb';
import type { Person } from '../../src/chat/place.ts';

/**
 * Who a browser belongs to. The cookie holds 256 random bits and the database their hash: what the database leaks opens
 * no session, and a signature would add nothing to a token that cannot be guessed.
 */
interface SignInDocument {
  /** SHA-256 of the token, hex. */
  _id: string;
  workspace_id: string;
  person: Person;
  expires_at: Date;
}

export interface SignIns {
  createIndexes(): Promise<void>;
  /** Returns the token for the cookie. */
  open(person: Person): Promise<string>;
  /** Null when the token is unknown or expired. */
  personOf(token: string): Promise<Person | null>;
  close(token: string): Promise<void>;
}

const DAY_MS = 24 * 60 * 60 * 1_000;
/** How long a browser stays signed in. */
export const SIGN_IN_MS = 30 * DAY_MS;

export function createSignIns(db: Db, workspaceId: string): SignIns {
  const signIns: Collection<SignInDocument> = db.collection('web_sign_ins', {
    writeConcern: { w: 'majority', journal: true },
  });

  return {
    async createIndexes() {
      await signIns.createIndex({ expires_at: 1 }, { name: 'expiry', expireAfterSeconds: 0 });
    },

    async open(person) {
      const token = randomBytes(32).toString('base64url');
      const expires_at = new Date(Date.now() + SIGN_IN_MS);
      await signIns.insertOne({ _id: hashOf(token), workspace_id: workspaceId, person, expires_at });
      return token;
    },

    async personOf(token) {
      const found = await signIns.findOne({
        _id: hashOf(token),
        workspace_id: workspaceId,
        expires_at: { $gt: new Date() },
      });
      return found?.person ?? null;
    },

    async close(token) {
      await signIns.deleteOne({ _id: hashOf(token), workspace_id: workspaceId });
    },
  };
}

/**
 * The same name is the same person, however it is spaced or capitalised, so that signing in again finds one's
 * conversations. The id can be written into an approval policy by hand: `Ana Lima` is `ana-lima`.
 */
export function personNamed(name: string): Person {
  const shown = name.normalize('NFKC').trim().replaceAll(/\s+/g, ' ');
  return { id: shown.toLowerCase().replaceAll(' ', '-'), name: shown };
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
