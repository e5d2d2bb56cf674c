/** BSON ends at 100 levels, and an event adds some of its own. */
const MAX_DEPTH = 48;

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
 * What in parsed JSON cannot be kept as it is: too deep, a key that MongoDB cannot hold, or half of a surrogate pair,
 * which would come back as another character. Null when everything can.
 */
export function findUnstorable(root: unknown): Unstorable | null {
  const open: Array<{ value: unknown; path: string; depth: number }> = [{ value: root, path: '', depth: 0 }];
  for (let one = open.pop(); one !== undefined; one = open.pop()) {
    const { value, path, depth } = one;
    if (typeof value === 'string' && LONE_SURROGATE.test(value)) {
      return { path, problem: 'contains half of a surrogate pair, which is no character' };
    }
    if (typeof value !== 'object' || value === null) continue;
    if (depth > MAX_DEPTH) return { path, problem: `is nested more than ${MAX_DEPTH} levels deep` };
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
