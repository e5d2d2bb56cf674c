import { z } from 'zod';
import { InvalidInputError } from '../errors.ts';

export type Metadata = Record<string, string>;
export type MetadataPatch = Record<string, string | null>;

// Limits of the Managed Agents API, read in the SDK's types.
const MAX_PAIRS = 16;
const key = z.string().min(1).max(64);
const value = z.string().max(512);

export const metadataSchema = z
  .record(key, value)
  .refine((bag) => Object.keys(bag).length <= MAX_PAIRS, `at most ${MAX_PAIRS} pairs`);

/** null deletes the key. */
export const metadataPatchSchema = z.record(key, value.nullable());

/** The bag after a patch. @throws InvalidInputError when it has grown too large */
export function patchMetadata(bag: Metadata, patch: MetadataPatch): Metadata {
  const patched = new Map(Object.entries(bag));
  for (const [name, text] of Object.entries(patch)) {
    if (text === null) patched.delete(name);
    else patched.set(name, text);
  }
  if (patched.size > MAX_PAIRS) throw new InvalidInputError(`at most ${MAX_PAIRS} pairs`, 'metadata');
  return Object.fromEntries(patched);
}

/** Settings of Deckhand that the API has no field for stand in metadata under this prefix. */
const SETTING_PREFIX = 'deckhand_';

/** A misspelt setting would otherwise be kept and silently do nothing. @throws InvalidInputError */
export function refuseUnknownSettings(bag: Metadata, known: readonly string[]): void {
  for (const name of Object.keys(bag)) {
    if (name.startsWith(SETTING_PREFIX) && !known.includes(name)) {
      throw new InvalidInputError(`is not a setting; known are ${known.join(', ')}`, `metadata.${name}`);
    }
  }
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };
const MAX_DURATION_MS = 90 * 86_400_000;

/** A setting like `30m` (s, m, h or d) in milliseconds; null when it is not set. @throws InvalidInputError */
export function durationSetting(bag: Metadata, name: string): number | null {
  const text = bag[name];
  if (text === undefined) return null;
  const [, digits, unit] = /^(\d{1,8})\s*([smhd])$/.exec(text.trim()) ?? [];
  const ms = Number(digits) * (UNITS_MS[unit ?? ''] ?? Number.NaN);
  if (!(ms >= 1000 && ms <= MAX_DURATION_MS)) {
    throw new InvalidInputError('must be a time from 1s to 90d, such as 45s, 30m, 4h or 2d', `metadata.${name}`);
  }
  return ms;
}

/** A setting that is a number within limits; undefined when it is not set. @throws InvalidInputError */
export function numberSetting(bag: Metadata, name: string, min: number, max: number): number | undefined {
  const text = bag[name];
  if (text === undefined) return undefined;
  const number = /^\d{1,9}(\.\d{1,3})?$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (!(number >= min && number <= max)) {
    throw new InvalidInputError(`must be a number from ${min} to ${max}`, `metadata.${name}`);
  }
  return number;
}
