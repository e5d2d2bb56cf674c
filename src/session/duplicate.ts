import { MongoServerError } from 'mongodb';

/** MongoDB's E11000. */
export const DUPLICATE_KEY = 11000;

/** The write met a document that already has this id or unique key. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === DUPLICATE_KEY;
}
