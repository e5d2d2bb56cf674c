import { randomFillSync } from 'node:crypto';

/** Prefix of every kind of id; the field's own where Managed Agents has one. */
export type IdPrefix =
  | 'agent'
  | 'env'
  | 'sesn'
  | 'sevt'
  | 'conv'
  | 'appr'
  | 'dlv'
  | 'wrkspc'
  | 'outc'
  | 'key'
  | 'wkr'
  | 'hldr'
  | 'file'
  | 'sesrsc';

// Crockford's base 32: no i, l, o or u, so an id can be read aloud.
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const TIME_DIGITS = 10;
const RANDOM_DIGITS = 16;

// The system is asked for many ids' randomness at once: a call for each costs more than all the rest of it.
const pool = Buffer.alloc(RANDOM_DIGITS * 256);
let used = pool.length;

function someRandomBytes(): Buffer {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += RANDOM_DIGITS;
  return pool.subarray(used - RANDOM_DIGITS, used);
}

/** A new id: prefix, 10 digits of time, 16 of randomness (80 bits). Ids of one process sort by creation time to 1 ms. */
export function newId<P extends IdPrefix>(prefix: P, now: number = Date.now()): `${P}_${string}` {
  let time = '';
  for (let rest = now, digit = 0; digit < TIME_DIGITS; digit++) {
    time = ALPHABET[rest % 32] + time;
    rest = Math.floor(rest / 32);
  }
  let random = '';
  for (const byte of someRandomBytes()) random += ALPHABET[byte & 31];
  return `${prefix}_${time}${random}`;
}

/**
 * The id of a thing that exists once per other thing (a delivery of an event, an approval of a tool call): the same
 * source always gives the same id, so making it twice collides instead of doubling.
 */
export function derivedId<P extends IdPrefix>(prefix: P, sourceId: string): `${P}_${string}` {
  return `${prefix}_${sourceId.slice(sourceId.indexOf('_') + 1)}`;
}
