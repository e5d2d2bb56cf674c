import { type BulkWriteResult, MongoBulkWriteError, MongoServerError } from 'mongodb';

/** MongoDB's E11000. */
const DUPLICATE_KEY = 11000;

/** The write met a document that already has this id or unique key. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === DUPLICATE_KEY;
}

/**
 * What a bulk write of `count` operations has written, when all that it did not write was there already.
 *
 * The driver throws a `MongoBulkWriteError` without any write errors when the connection breaks, also midway: an operation that
 * nothing is said of may not have happened.
 *
 * @throws the error, when it is any other
 */
export function duplicatesAside(error: unknown, count: number): BulkWriteResult {
  if (!(error instanceof MongoBulkWriteError) || error.result.getWriteConcernError() !== undefined) throw error;
  const { result } = error;
  const failed = result.getWriteErrors();
  const done = result.insertedCount + result.upsertedCount + result.matchedCount + result.deletedCount;
  if (failed.some(({ code }) => code !== DUPLICATE_KEY) || done + failed.length !== count) throw error;
  return result;
}
