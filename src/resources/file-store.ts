import { createHash } from 'node:crypto';
import { type Collection, type Db, type Filter, MongoServerError } from 'mongodb';
import { FilesFullError, FileTooLargeError, NotFoundError } from '../errors.ts';
import { isDuplicate } from '../session/duplicate.ts';
import { newId } from '../session/id.ts';
import { CHUNK_BYTES, createChunkIndexes, createFileChunks, inChunks } from './file-chunks.ts';
import { numberedName, safeFileName } from './file-name.ts';
import { createFileRoom, type RoomFile, type RoomLimits } from './file-room.ts';
import type { FileDocument, Files, NewFile } from './files.ts';
import { safeMimeType } from './mime-type.ts';
import { readPage } from './page.ts';

/** Longest silence of an upload before it counts as dead, in milliseconds. */
const SILENCE_MS = 10 * 60_000;
const SIGN_MS = 60_000;
/** Room that a file takes ahead while it arrives, so that not every chunk asks for its own. */
const ROOM_AHEAD = 16 * CHUNK_BYTES;
const BOUNDLESS: RoomLimits = { session: Number.POSITIVE_INFINITY, workspace: Number.POSITIVE_INFINITY };
const FILES = 'files';
const KEPT = { state: 'kept' } as const;
/** What of a file its room is counted by. */
const ROOM = { workspace_id: 1, session_id: 1, size_bytes: 1, counted: 1 } as const;
/** What nobody else may have while a file has it. */
const NAMES = ['key', 'mounted_as'];
/** Whoever erases it has so long before the sweep does. */
const REMOVED = { state: 'removed', due_at: dueIn(SILENCE_MS) };

/** Indexes that files need; safe to call at every start. */
export async function createFileIndexes(db: Db): Promise<void> {
  const newest = { created_at: -1, _id: -1 } as const;
  const kept = { partialFilterExpression: KEPT };
  await db.collection(FILES).createIndexes([
    { key: { workspace_id: 1, ...newest }, name: 'newest', ...kept },
    { key: { session_id: 1, workspace_id: 1, ...newest }, name: 'of_session' },
    { key: { session_id: 1, mounted_as: 1 }, unique: true, partialFilterExpression: { mounted_as: { $exists: true } } },
    { key: { workspace_id: 1, key: 1 }, unique: true, partialFilterExpression: { key: { $exists: true } } },
    { key: { due_at: 1 }, partialFilterExpression: { due_at: { $exists: true } } },
  ]);
  await createChunkIndexes(db);
}

export interface FilesOptions {
  max_bytes: number;
  /** Default: as much as there is. */
  room?: RoomLimits;
  /** Between two signs of life of an upload; default a minute. */
  sign_ms?: number;
}

export function createFiles(db: Db, { max_bytes, room: limits = BOUNDLESS, sign_ms = SIGN_MS }: FilesOptions): Files {
  const files: Collection<FileDocument> = db.collection(FILES, { writeConcern: { w: 'majority', journal: true } });
  const chunks = createFileChunks(db);
  const room = createFileRoom(db, limits);

  async function refuseWithoutSession({ workspace_id, session_id }: NewFile): Promise<void> {
    if (session_id === null) return;
    // Looked for after the file is on record: a session that is deleted from here on takes the file along.
    const there = await db
      .collection<{ _id: string; workspace_id: string }>('sessions')
      .findOne({ _id: session_id, workspace_id }, { projection: { _id: 1 } });
    if (there === null) throw new NotFoundError('Session', session_id);
  }

  async function begin(file: NewFile): Promise<FileDocument> {
    const { key: _, ...rest } = file;
    const filename = safeFileName(file.filename);
    const mime_type = safeMimeType(file.mime_type);
    const begun = {
      ...rest,
      filename,
      mime_type,
      size_bytes: 0,
      sha256: '',
      created_at: new Date(),
      state: 'arriving' as const,
      counted: true as const,
    };
    const _id = newId('file');
    await files.updateOne({ _id }, [{ $set: { ...literally(begun), due_at: dueIn(SILENCE_MS) } }], { upsert: true });
    return { _id, ...begun };
  }

  /** False: it counts as dead, and is being removed. */
  async function giveSign(_id: string): Promise<boolean> {
    const alive = await files.updateOne({ _id, state: 'arriving' }, [{ $set: { due_at: dueIn(SILENCE_MS) } }]);
    return alive.matchedCount === 1;
  }

  /** Room for this chunk at least; returns for how much. */
  async function takeRoom(file: FileDocument, bytes: number): Promise<number> {
    // Only the last one is smaller.
    const ahead = bytes < CHUNK_BYTES ? bytes : ROOM_AHEAD;
    try {
      await room.take(file, ahead);
      return ahead;
    } catch (error) {
      if (!(error instanceof FilesFullError) || ahead === bytes) throw error;
      await room.take(file, bytes);
      return bytes;
    }
  }

  async function writeAll(
    file: FileDocument,
    content: AsyncIterable<Uint8Array>,
  ): Promise<Pick<FileDocument, 'size_bytes' | 'sha256'>> {
    const { _id } = file;
    const hash = createHash('sha256');
    let size_bytes = 0;
    let room_bytes = 0;
    let n = 0;
    let signed = performance.now();
    for await (const bytes of inChunks(content)) {
      size_bytes += bytes.length;
      if (size_bytes > max_bytes) throw new FileTooLargeError(max_bytes);
      if (size_bytes > room_bytes) room_bytes += await takeRoom(file, bytes.length);
      hash.update(bytes);
      await chunks.write(_id, n, bytes);
      n += 1;
      if (performance.now() - signed < sign_ms) continue;
      if (!(await giveSign(_id))) throw new Error('The file was removed while it arrived');
      signed = performance.now();
    }
    if (size_bytes < room_bytes) await room.trim(file, size_bytes);
    return { size_bytes, sha256: hash.digest('hex') };
  }

  /** Let it be seen. Null: there is one of this key already. */
  async function finish(
    file: FileDocument,
    written: Pick<FileDocument, 'size_bytes' | 'sha256'>,
    key: string | undefined,
  ): Promise<FileDocument | null> {
    for (let n = 1; ; n++) {
      const filename = numberedName(file.filename, n);
      const mounted = file.purpose === 'upload' && file.session_id !== null ? { mounted_as: filename } : {};
      const set = { ...written, ...mounted, ...(key === undefined ? {} : { key }), filename, ...KEPT };
      try {
        const update = { $set: set, $unset: { due_at: '' as const } };
        const { matchedCount } = await files.updateOne({ _id: file._id, state: 'arriving' }, update);
        if (matchedCount === 0) throw new Error('The file was removed while it arrived');
        return { ...file, ...set };
      } catch (error) {
        if (!isDuplicate(error)) throw error;
        if (isAboutKey(error)) return null;
      }
    }
  }

  async function erase(file: RoomFile): Promise<void> {
    await chunks.erase(file._id);
    await room.give(file);
    await files.deleteOne({ _id: file._id, state: 'removed' });
    await room.forget(file);
  }

  /** Nobody sees it from now on. What may still be written to is the sweep's, when its writer has certainly noticed. */
  async function discard(filter: Filter<FileDocument>): Promise<void> {
    // First what arrives: what is whole before that is found afterwards.
    await files.updateMany({ ...filter, state: 'arriving' }, [{ $unset: 'key' }, { $set: REMOVED }]);
    const found = await files.find({ ...filter, ...KEPT }, { projection: ROOM }).toArray();
    for (const file of found) {
      const removed = await files.updateOne({ _id: file._id, ...KEPT }, [{ $unset: NAMES }, { $set: REMOVED }]);
      // Else it is somebody else's to erase.
      if (removed.matchedCount === 1) await erase(file);
    }
  }

  async function withKey(workspace_id: string, key: string): Promise<FileDocument | null> {
    return files.findOne({ workspace_id, key, ...KEPT });
  }

  function uploadsOf(workspace_id: string, session_ids: readonly string[]): Promise<FileDocument[]> {
    const of = { session_id: { $in: [...session_ids] }, workspace_id };
    return files.find({ ...of, mounted_as: { $exists: true }, ...KEPT }).toArray();
  }

  return {
    max_bytes,

    async keep(file, content) {
      const begun = await begin(file);
      try {
        await refuseWithoutSession(file);
        const written = await writeAll(begun, content);
        const finished = await finish(begun, written, file.key);
        if (finished !== null) {
          await room.settle(begun).catch(() => undefined);
          return finished;
        }
        const first = await withKey(file.workspace_id, file.key ?? '');
        if (first === null) throw new Error('A file of this key was there and is gone');
        await abandon(begun);
        return first;
      } catch (error) {
        // The sweep does it otherwise.
        await abandon(begun).catch(() => undefined);
        throw error;
      }
    },

    withKey,

    async get(workspace_id, file_id) {
      const found = await files.findOne({ _id: file_id, workspace_id, ...KEPT });
      if (found === null) throw new NotFoundError('File', file_id);
      return found;
    },

    among: (workspace_id, file_ids) => files.find({ _id: { $in: [...file_ids] }, workspace_id, ...KEPT }).toArray(),

    async *read({ _id, size_bytes }) {
      let size = 0;
      for await (const bytes of chunks.read(_id)) {
        size += bytes.length;
        yield bytes;
      }
      if (size !== size_bytes) throw new NotFoundError('File', _id);
    },

    uploads: ({ session_id, workspace_id }) => uploadsOf(workspace_id, [session_id]),
    uploadsOf,

    list(workspace_id, { session_id, purpose, ...request }) {
      const scope = { ...(session_id !== undefined && { session_id }), ...(purpose !== undefined && { purpose }) };
      return readPage(files, { workspace_id, ...scope, ...KEPT } as Filter<FileDocument>, request);
    },

    async remove(workspace_id, file_id) {
      const found = await files.findOne({ _id: file_id, workspace_id, ...KEPT }, { projection: { _id: 1 } });
      if (found === null) throw new NotFoundError('File', file_id);
      await discard({ _id: file_id, workspace_id });
    },

    forget: ({ session_id, workspace_id }) => discard({ session_id, workspace_id }),

    async sweep() {
      for (let count = 0; ; count++) {
        const due = await files.findOneAndUpdate(
          { due_at: { $exists: true }, $expr: { $lte: ['$due_at', '$$NOW'] } },
          [{ $set: REMOVED }],
          { sort: { due_at: 1 }, projection: ROOM },
        );
        if (due === null) return count;
        await erase(due);
      }
    },
  };

  /** Only its own writer calls this: nothing is written any more. */
  async function abandon(file: FileDocument): Promise<void> {
    await files.updateOne({ _id: file._id }, [{ $unset: NAMES }, { $set: REMOVED }]);
    await erase(file);
  }
}

/** By the database's clock. */
function dueIn(ms: number): object {
  return { $add: ['$$NOW', ms] };
}

/** Values that came from outside stand in a pipeline as they are, whatever they look like. */
function literally(fields: object): object {
  return Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, { $literal: value as unknown }]));
}

function isAboutKey(error: unknown): boolean {
  if (!(error instanceof MongoServerError)) return false;
  const pattern: unknown = error['keyPattern'];
  return typeof pattern === 'object' && pattern !== null && 'key' in pattern;
}
