import { createHash } from 'node:crypto';

/** The same for the same JSON value, in whatever order its fields stand; of any size, 64 characters. */
export function fingerprint(value: unknown): string {
  return createHash('sha256')
    .update(JSON.stringify(sorted(value)))
    .digest('hex');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).map(([key, field]): [string, unknown] => [key, sorted(field)]);
  // As pairs: an object would move keys that look like numbers, and lose `__proto__`.
  return { fields: fields.sort(([a], [b]) => (a < b ? -1 : 1)) };
}
