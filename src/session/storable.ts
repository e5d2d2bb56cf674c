import { BSON } from 'mongodb';

/** BSON ends at 100 levels, and an event adds some of its own. */
const MAX_DEPTH = 48;

/** A thousand events of a hundred blocks each have fewer; beyond it only looking would cost seconds and gigabytes. */
const MAX_VALUES = 500_000;

/** Keys that MongoDB's driver takes for something else than a name. */
const RESERVED_KEYS: ReadonlySet<string> = new Set(['__proto__', '_bsontype', 'toBSON']);

/** With the `u` flag a pair is one character, so this finds only halves. */
const LONE_SURROGATE = /\p{Surrogate}/u;

export interface Unstorable {
  /** As in `events.0.content`. */
  path: string;
  problem: string;
}

/**
 * What in parsed JSON cannot be kept as it is: too deep, too many values, a key that MongoDB cannot hold, or what would
 * come back as something else: half of a surrogate pair, and a number beyond the largest. Null when everything can.
 */
export function findUnstorable(root: unknown): Unstorable | null {
  const open: Array<{ value: unknown; path: string; depth: number }> = [{ value: root, path: '', depth: 0 }];
  let values = 0;
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const { value, path, depth } = one;
    if (typeof value === 'number' && !Number.isFinite(value)) return { path, problem: 'is too large for a number' };
    if (typeof value === 'string' && LONE_SURROGATE.test(value)) {
      return { path, problem: 'contains half of a surrogate pair, which is no character' };
    }
    if (typeof value !== 'object' || value === null) continue;
    if (depth > MAX_DEPTH) return { path, problem: `is nested more than ${MAX_DEPTH} levels deep` };
    const keys = Object.keys(value);
    values += keys.length;
    if (values > MAX_VALUES) return { path, problem: `brings the number of values above ${MAX_VALUES}` };
    for (const [key, child] of Object.entries(value)) {
      const name = path === '' ? key : `${path}.${key}`;
      if (key.includes('\u0000') || LONE_SURROGATE.test(key) || RESERVED_KEYS.has(key)) {
        return { path: name.replace(/[\0\p{Surrogate}]/gu, '?'), problem: 'is a name that cannot be stored' };
      }
      open.push({ value: child, path: name, depth: depth + 1 });
    }
  }
  return null;
}

/** What it weighs in MongoDB, in bytes. */
export function storedBytes(value: object): number {
  return BSON.calculateObjectSize(value, { ignoreUndefined: true });
}
