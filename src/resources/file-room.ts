import type { Collection, Db, Filter, UpdateFilter } from 'mongodb';
import { FilesFullError } from '../errors.ts';
import { isDuplicate } from '../session/duplicate.ts';
import type { FileDocument } from './files.ts';

/** A file, as far as it takes room. */
export type RoomFile = Pick<FileDocument, '_id' | 'workspace_id' | 'session_id' | 'size_bytes' | 'counted'>;

/** What the files of one may take together, in bytes. */
export interface RoomLimits {
  session: number;
  workspace: number;
}

/**
 * The room that files take, counted for each session and each workspace, so that it is bounded however many arrive at once:
 * room is taken before a byte is written.
 *
 * One document has what a scope's files take together (`total`); what of that belongs to files that arrive (`arriving`, by
 * id); and which files that go have given back theirs (`given`, until their record is gone too). Each step below is one
 * update of it, and the later ones change nothing when they are repeated: whoever finishes for the dead gives back exactly
 * what the file took.
 */
export interface FileRoom {
  /** For so many more bytes of a file that arrives, in each scope or in none. @throws FilesFullError */
  take(file: RoomFile, bytes: number): Promise<void>;
  /** It has all its bytes, and takes so many. */
  trim(file: RoomFile, bytes: number): Promise<void>;
  /** It is kept: from now on it takes its size. */
  settle(file: RoomFile): Promise<void>;
  /** Its bytes are gone. */
  give(file: RoomFile): Promise<void>;
  /** Its record is gone as well: nobody will give back its room again. */
  forget(file: RoomFile): Promise<void>;
}

interface RoomDocument {
  _id: string;
  workspace_id: string;
  total: number;
  arriving?: Record<string, number>;
  given?: Record<string, true>;
}

interface Scope {
  _id: string;
  what: keyof RoomLimits;
}

export function createFileRoom(db: Db, limits: RoomLimits): FileRoom {
  const rooms: Collection<RoomDocument> = db.collection('file_room', {
    writeConcern: { w: 'majority', journal: true },
  });

  async function takeOf({ _id, what }: Scope, file: RoomFile, bytes: number): Promise<boolean> {
    const most = limits[what] - bytes;
    if (most < 0) return false;
    const fits: Filter<RoomDocument> = { _id, workspace_id: file.workspace_id, total: { $lte: most } };
    try {
      await rooms.updateOne(fits, more(file, bytes), { upsert: true });
      return true;
    } catch (error) {
      if (!isDuplicate(error)) throw error;
    }
    // There is one already: it is full, or was made at this very moment.
    return (await rooms.updateOne(fits, more(file, bytes))).matchedCount === 1;
  }

  return {
    async take(file, bytes) {
      const scopes = scopesOf(file);
      // Waiting for all of them: nothing may be taken any more when this fails.
      const taken = await Promise.allSettled(scopes.map((scope) => takeOf(scope, file, bytes)));
      for (const result of taken) if (result.status === 'rejected') throw result.reason;
      const full = scopes.find((_scope, index) => !isTrue(taken[index]));
      if (full === undefined) return;
      for (const [index, { _id }] of scopes.entries()) {
        if (isTrue(taken[index])) await rooms.updateOne(where(_id, file), more(file, -bytes));
      }
      throw new FilesFullError(full.what, limits[full.what]);
    },

    async trim(file, bytes) {
      const path = `arriving.${file._id}`;
      const total = { $add: ['$total', { $subtract: [bytes, `$${path}`] }] };
      for (const { _id } of scopesOf(file)) {
        await rooms.updateOne(where(_id, file, { [path]: { $exists: true } }), [{ $set: { total, [path]: bytes } }]);
      }
    },

    async settle(file) {
      // One that is undone by a crash says what is true: that the file takes this much.
      const forgetful = { writeConcern: { w: 1 } };
      const kept = { $unset: { [`arriving.${file._id}`]: '' as const } };
      await Promise.all(scopesOf(file).map(({ _id }) => rooms.updateOne(where(_id, file), kept, forgetful)));
    },

    async give(file) {
      const [arriving, given] = [`arriving.${file._id}`, `given.${file._id}`];
      const taken = { $ifNull: [`$${arriving}`, file.counted === true ? file.size_bytes : 0] };
      const total = { $max: [0, { $subtract: ['$total', taken] }] };
      for (const { _id } of scopesOf(file)) {
        const less = [{ $set: { total, [given]: true } }, { $unset: arriving }];
        await rooms.updateOne(where(_id, file, { [given]: { $exists: false } }), less);
      }
    },

    async forget(file) {
      const { workspace_id, session_id } = file;
      const forgotten = { $unset: { [`given.${file._id}`]: '' as const } };
      for (const { _id } of scopesOf(file)) await rooms.updateOne(where(_id, file), forgotten);
      if (session_id === null) return;
      // A session that is deleted leaves nothing behind.
      const none = { $in: [null, {}] };
      const empty = { _id: session_id, workspace_id, total: 0, arriving: none, given: none };
      await rooms.deleteOne(empty as Filter<RoomDocument>);
    },
  };
}

function scopesOf({ workspace_id, session_id }: RoomFile): Scope[] {
  const workspace: Scope = { _id: workspace_id, what: 'workspace' };
  return session_id === null ? [workspace] : [{ _id: session_id, what: 'session' }, workspace];
}

function where(_id: string, { workspace_id }: RoomFile, more: object = {}): Filter<RoomDocument> {
  return { _id, workspace_id, ...more };
}

function more({ _id }: RoomFile, bytes: number): UpdateFilter<RoomDocument> {
  return { $inc: { total: bytes, [`arriving.${_id}`]: bytes } };
}

function isTrue(result: PromiseSettledResult<boolean> | undefined): boolean {
  return result?.status === 'fulfilled' && result.value;
}
