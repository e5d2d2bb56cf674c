import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Collection, Db } from 'mongodb';
import { NotFoundError } from '../errors.ts';
import { isDuplicate } from '../session/duplicate.ts';
import { newId } from '../session/id.ts';

interface ApiKeyDocument {
  _id: string;
  workspace_id: string;
  name: string;
  /** sha-256 in hex. Keys are long and random (or the operator's), so a slow hash would protect nothing more. */
  hash: string;
  /** The hash's first digits: what is looked up, so that only the comparison of the rest decides. */
  prefix: string;
  created_at: Date;
  revoked_at: Date | null;
}

/** Whom a key speaks for. */
export interface ApiKeyHolder {
  key_id: string;
  workspace_id: string;
  name: string;
}

export interface ApiKeys {
  /** A new key. It is shown here and never again. */
  create(workspace_id: string, name: string): Promise<{ key_id: string; key: string }>;
  /** Let this key of the operator's in, once and for all; a second time changes nothing. */
  bootstrap(key: string, workspace_id: string): Promise<void>;
  /** Null for a key that is unknown or revoked. A revocation is noticed within `CACHE_MS`. */
  verify(key: string): Promise<ApiKeyHolder | null>;
  /** @throws NotFoundError */
  revoke(workspace_id: string, key_id: string): Promise<void>;
}

const PREFIX_DIGITS = 12;
const CACHE_MS = 3_000;
const CACHED_KEYS = 1_000;
/** A longer one is none of ours and not worth hashing. */
const MAX_KEY_LENGTH = 512;

export function createApiKeys(db: Db): ApiKeys {
  const keys: Collection<ApiKeyDocument> = db.collection('api_keys');
  // By hash, so that no key stays in memory. Only good keys: an unknown one must work as soon as it is made.
  const known = new LRUCache<string, ApiKeyHolder>({ max: CACHED_KEYS, ttl: CACHE_MS });

  async function insert(key: string, workspace_id: string, name: string): Promise<string> {
    const hash = hashOf(key);
    const _id = newId('key');
    const prefix = hash.slice(0, PREFIX_DIGITS);
    await keys.insertOne({ _id, workspace_id, name, hash, prefix, created_at: new Date(), revoked_at: null });
    return _id;
  }

  return {
    async create(workspace_id, name) {
      const key = `dhk_${randomBytes(24).toString('base64url')}`;
      return { key_id: await insert(key, workspace_id, name), key };
    },

    async bootstrap(key, workspace_id) {
      try {
        await insert(key, workspace_id, 'bootstrap');
      } catch (error) {
        if (!isDuplicate(error)) throw error;
      }
    },

    async verify(key) {
      if (key.length === 0 || key.length > MAX_KEY_LENGTH) return null;
      const hash = hashOf(key);
      const cached = known.get(hash);
      if (cached !== undefined) return cached;
      const candidates = await keys.find({ prefix: hash.slice(0, PREFIX_DIGITS), revoked_at: null }).toArray();
      const found = candidates.find((one) => timingSafeEqual(Buffer.from(one.hash), Buffer.from(hash)));
      if (found === undefined) return null;
      const holder = { key_id: found._id, workspace_id: found.workspace_id, name: found.name };
      known.set(hash, holder);
      return holder;
    },

    async revoke(workspace_id, key_id) {
      const revoked = await keys.findOneAndUpdate({ _id: key_id, workspace_id }, { $set: { revoked_at: new Date() } });
      if (revoked === null) throw new NotFoundError('API key', key_id);
      known.delete(revoked.hash);
    },
  };
}

function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}
