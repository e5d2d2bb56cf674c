import { MongoClient } from 'mongodb';
import { z } from 'zod';

/**
 * Kinds of values that variables hold. Whatever is wrong with one is found here, where its variable can be named: a
 * driver that is handed it later would repeat it in its error, password included.
 */

const text = z.string().trim().min(1);

/** What an HTTP header can carry. A line break or a typographic dash comes from copying. */
export const credential = () =>
  text.regex(/^[\x20-\x7e]+$/, 'holds characters that no key or token has: copy it again, on one line');

export const httpUrl = (example: string) =>
  z
    .url({ protocol: /^https?$/, error: `must be an http or https URL such as ${example}` })
    .refine(hasNoPassword, 'must hold no user or password');

export const mongodbUri = z
  .string()
  .regex(/^mongodb(\+srv)?:\/\//, 'must begin with mongodb:// or mongodb+srv://')
  .refine(
    (uri) => succeeds(() => new MongoClient(uri)),
    'cannot be read. It needs a host; in user and password write %40 for @, %3A for :, %2F for / and %25 for %',
  );

export const redisUrl = z
  .string()
  .regex(/^(rediss?|unix):\/\//, 'must begin with redis://, rediss:// or unix://')
  .refine(
    (url) => url.startsWith('unix:') || succeeds(() => readRedisUrl(new URL(url))),
    'cannot be read. After host and port only the number of a database may stand; in user and password write %40 for ' +
      '@, %3A for :, %2F for / and %25 for %',
  );

/** Keys of AES-256 in base64: the one that is used, and behind commas those that were used before. */
export const vaultKeys = credential()
  .transform((list) => list.split(',').map((key) => key.trim()))
  .refine(
    (list) => list.every((key) => /^[A-Za-z0-9+/]{43}=$/.test(key)),
    'must be 32 bytes in base64, such as `openssl rand -base64 32` makes; earlier keys may follow, with commas between',
  )
  .transform((list) => list.map((key) => Buffer.from(key, 'base64')));

/** @throws what ioredis would throw, or worse, not notice */
function readRedisUrl({ username, password, pathname }: URL): void {
  decodeURIComponent(username);
  decodeURIComponent(password);
  if (!/^(\/\d*)?$/.test(pathname)) throw new Error('not a database');
}

function hasNoPassword(url: string): boolean {
  if (!URL.canParse(url)) return true;
  const { username, password } = new URL(url);
  return username === '' && password === '';
}

function succeeds(read: () => unknown): boolean {
  try {
    read();
    return true;
  } catch {
    return false;
  }
}
