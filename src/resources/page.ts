import type { Collection, Filter } from 'mongodb';
import { InvalidInputError } from '../errors.ts';

export interface PageRequest {
  /** 1 to 100; default 20. */
  limit?: number;
  /** A cursor of an earlier page. */
  page?: string;
  /** By creation time; default newest first. */
  order?: 'asc' | 'desc';
}

export interface PageOf<T> {
  items: T[];
  next_page: string | null;
  prev_page: string | null;
}

/** The last millisecond that a Date can name. */
const LAST_TIME = 8.64e15;

export const DEFAULT_LIMIT = 20;
export const MAX_LIMIT = 100;

interface Dated {
  _id: string;
  workspace_id: string;
  created_at: Date;
}

/** A place between two documents, and which way to go from there. */
interface Cursor {
  at: number;
  id: string;
  way: 'next' | 'prev';
}

/**
 * One page of a collection, ordered by creation and then id, so that what is added meanwhile neither repeats nor hides
 * anything. `filter` must name the workspace. @throws InvalidInputError for a cursor that is none of ours
 */
export async function readPage<T extends Dated>(
  collection: Collection<T>,
  filter: Filter<T>,
  request: PageRequest,
  projection: Record<string, 0 | 1> = {},
): Promise<PageOf<T>> {
  const limit = request.limit ?? DEFAULT_LIMIT;
  const cursor = request.page === undefined ? null : decode(request.page);
  const back = cursor?.way === 'prev';
  const ascending = (request.order === 'asc') !== back;
  const found = await collection
    .find<T>({ $and: [filter, ...(cursor === null ? [] : [beyond(cursor, ascending)])] } as Filter<T>)
    .project<T>(projection)
    .sort({ created_at: ascending ? 1 : -1, _id: ascending ? 1 : -1 })
    // One more than asked for tells whether there is another page.
    .limit(limit + 1)
    .toArray();
  const more = found.length > limit;
  const items = found.slice(0, limit);
  if (back) items.reverse();
  const first = items[0];
  const last = items.at(-1);
  return {
    items,
    next_page: last !== undefined && (more || back) ? encode(last, 'next') : null,
    prev_page: first !== undefined && (back ? more : cursor !== null) ? encode(first, 'prev') : null,
  };
}

function beyond(cursor: Cursor, ascending: boolean): object {
  const at = new Date(cursor.at);
  const op = ascending ? '$gt' : '$lt';
  return { $or: [{ created_at: { [op]: at } }, { created_at: at, _id: { [op]: cursor.id } }] };
}

function encode(document: Dated, way: Cursor['way']): string {
  return Buffer.from(JSON.stringify([document.created_at.getTime(), document._id, way])).toString('base64url');
}

function decode(text: string): Cursor {
  try {
    const [at, id, way]: unknown[] = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (
      typeof at === 'number' &&
      Math.abs(at) <= LAST_TIME &&
      typeof id === 'string' &&
      (way === 'next' || way === 'prev')
    )
      return { at, id, way };
  } catch {
    // Said below.
  }
  throw new InvalidInputError('is not a page of this list; start again without it', 'page');
}
