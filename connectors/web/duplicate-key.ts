import { MongoServerError } from 'mongodb';

/** MongoDB's code for a write that a unique index refused. */
const DUPLICATE_KEY = 11_000;

/** True when `error` is a write refused by the unique index of this name. */
export function isDuplicateOf(error: unknown, indexName: string): boolean {
  return (
    error instanceof MongoServerError &&
    error.code === DUPLICATE_KEY &&
    error.message.includes(`index: ${indexName} dup key`)
  );
}
