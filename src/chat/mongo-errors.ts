import { MongoServerError } from 'mongodb';

const DUPLICATE_KEY = 11000;

/** A unique index said no: somebody else was first. */
export function isDuplicateKey(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === DUPLICATE_KEY;
}
