import { createHash } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FileTooLargeError, NotFoundError } from '../../../src/errors.ts';
import { CHUNK_BYTES } from '../../../src/resources/file-chunks.ts';
import { createFileIndexes, createFiles } from '../../../src/resources/file-store.ts';
import type { Files, NewFile } from '../../../src/resources/files.ts';
import { deferred } from '../../support/deferred.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MAX = 4 * CHUNK_BYTES;
const ref = { workspace_id: 'wrkspc_1', session_id: 'sesn_1' };
const upload: NewFile = { ...ref, filename: 'notes.txt', mime_type: 'text/plain', purpose: 'upload' };

let database: TestDatabase;
let files: Files;

beforeEach(async () => {
  database = await testDatabase();
  await createFileIndexes(database.db);
  files = createFiles(database.db, { max_bytes: MAX });
  await sessions().insertMany([
    { _id: 'sesn_1', workspace_id: 'wrkspc_1' },
    { _id: 'sesn_2', workspace_id: 'wrkspc_1' },
  ]);
});

afterEach(() => database[Symbol.asyncDispose]());

const sessions = () => database.db.collection<{ _id: string; workspace_id: string }>('sessions');
const records = () => database.db.collection('files').countDocuments();
const chunks = () => database.db.collection('file_chunks').countDocuments();

async function* bytesOf(...pieces: Array<string | Uint8Array>): AsyncGenerator<Uint8Array> {
  for (const piece of pieces) yield Buffer.from(piece);
}

async function contentOf(file: { _id: string; size_bytes: number }): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of files.read(file)) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** As if everything that waits had waited for so long. */
async function passTime(ms: number): Promise<void> {
  await database.db
    .collection('files')
    .updateMany({ due_at: { $exists: true } }, [{ $set: { due_at: { $subtract: ['$due_at', ms] } } }]);
}

const ELEVEN_MINUTES = 11 * 60_000;

describe('a kept file', () => {
  it('has every byte, in whatever pieces they came, and their hash', async () => {
    const pieces = [1, CHUNK_BYTES - 2, 7, CHUNK_BYTES * 2, 100_000].map((size, n) => Buffer.alloc(size, n + 1));
    const file = await files.keep(upload, bytesOf(...pieces));
    const whole = Buffer.concat(pieces);
    expect((await contentOf(file)).equals(whole)).toBe(true);
    expect(file).toMatchObject({ size_bytes: whole.length, sha256: createHash('sha256').update(whole).digest('hex') });
    expect(await files.get('wrkspc_1', file._id)).toEqual(file);
    expect(await chunks()).toBe(4);
  });

  it('may be empty, and as large as is allowed', async () => {
    const empty = await files.keep(upload, bytesOf());
    const largest = await files.keep(upload, bytesOf(Buffer.alloc(MAX)));
    expect([empty.size_bytes, largest.size_bytes]).toEqual([0, MAX]);
    expect(await contentOf(empty)).toHaveLength(0);
  });

  it('is another workspace’s no file', async () => {
    const file = await files.keep(upload, bytesOf('x'));
    await expect(files.get('wrkspc_2', file._id)).rejects.toThrow(NotFoundError);
    await expect(files.remove('wrkspc_2', file._id)).rejects.toThrow(NotFoundError);
    expect((await files.list('wrkspc_2', {})).items).toEqual([]);
    expect(await files.uploads({ ...ref, workspace_id: 'wrkspc_2' })).toEqual([]);
    expect((await files.list('wrkspc_1', { session_id: 'sesn_1' })).items).toEqual([file]);
  });

  it('has a name of its own in its session, and another session’s may have the same', async () => {
    const names = [];
    for (const session_id of ['sesn_1', 'sesn_1', 'sesn_2', 'sesn_1']) {
      names.push((await files.keep({ ...upload, session_id }, bytesOf('x'))).filename);
    }
    expect(names).toEqual(['notes.txt', 'notes-2.txt', 'notes.txt', 'notes-3.txt']);
    const many = await Promise.all([1, 2, 3].map(() => files.keep({ ...upload, filename: '../b' }, bytesOf('x'))));
    expect(many.map((file) => file.filename).toSorted()).toEqual(['___b', '___b-2', '___b-3']);
  });

  it('is there once for its key, whoever keeps it again, also at the same time', async () => {
    const keyed = { ...upload, key: 'sevt_1/F1' };
    const [first, second] = await Promise.all([files.keep(keyed, bytesOf('x')), files.keep(keyed, bytesOf('x'))]);
    expect(second._id).toBe(first._id);
    expect((await files.keep(keyed, bytesOf('x')))._id).toBe(first._id);
    expect((await files.withKey('wrkspc_1', 'sevt_1/F1'))?._id).toBe(first._id);
    expect(await files.withKey('wrkspc_2', 'sevt_1/F1')).toBeNull();
    expect([await records(), await chunks()]).toEqual([1, 1]);
  });

  it('takes what looks like an operator for what it is', async () => {
    const file = await files.keep({ ...upload, filename: '$$ROOT', source_id: '$name' }, bytesOf('x'));
    expect(await files.get('wrkspc_1', file._id)).toMatchObject({ filename: '$$ROOT', source_id: '$name' });
  });
});

it('has a type, and what is none is bytes', async () => {
  const types = ['text/PLAIN; charset=utf-8', 'nonsense', '', 'a/b\r\nx: y'];
  const kept = await Promise.all(types.map((mime_type) => files.keep({ ...upload, mime_type }, bytesOf('x'))));
  const bytes = 'application/octet-stream';
  expect(kept.map((file) => file.mime_type)).toEqual(['text/plain', bytes, bytes, bytes]);
});

describe('nothing stays', () => {
  it('of a file that is too large', async () => {
    await expect(files.keep(upload, bytesOf(Buffer.alloc(MAX), 'x'))).rejects.toThrow(FileTooLargeError);
    expect([await records(), await chunks()]).toEqual([0, 0]);
  });

  it('of one that breaks off', async () => {
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * CHUNK_BYTES);
      throw new Error('The line is dead');
    }
    await expect(files.keep(upload, broken())).rejects.toThrow('The line is dead');
    expect([await records(), await chunks()]).toEqual([0, 0]);
  });

  it('of one whose writer died, once it has been silent for long, and nobody sees it before', async () => {
    const [reached, never] = [deferred<void>(), deferred<void>()];
    async function* dying(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * CHUNK_BYTES);
      reached.resolve();
      await never.promise;
    }
    const keeping = files.keep(upload, dying());
    await reached.promise;
    expect(await files.uploads(ref)).toEqual([]);
    expect((await files.list('wrkspc_1', {})).items).toEqual([]);
    expect(await files.sweep()).toBe(0);
    await passTime(ELEVEN_MINUTES);
    expect(await files.sweep()).toBe(1);
    expect([await records(), await chunks()]).toEqual([0, 0]);
    // It was only slow: what it is too late for does not come back.
    never.resolve();
    await expect(keeping).rejects.toThrow('removed while it arrived');
    expect([await records(), await chunks()]).toEqual([0, 0]);
  });

  it('of one that is silent, while one that shows signs of life goes on', async () => {
    const lively = createFiles(database.db, { max_bytes: MAX, sign_ms: 0 });
    async function* long(): AsyncGenerator<Uint8Array> {
      for (let n = 0; n < 3; n++) {
        await passTime(ELEVEN_MINUTES - 2 * 60_000);
        yield Buffer.alloc(CHUNK_BYTES);
      }
      expect(await files.sweep()).toBe(0);
    }
    expect((await lively.keep(upload, long())).size_bytes).toBe(3 * CHUNK_BYTES);
  });

  it('of a deleted file, and whoever reads it meanwhile is told', async () => {
    const file = await files.keep(upload, bytesOf(Buffer.alloc(4 * CHUNK_BYTES)));
    const reading = files.read(file);
    await reading.next();
    await files.remove('wrkspc_1', file._id);
    await expect(files.get('wrkspc_1', file._id)).rejects.toThrow(NotFoundError);
    await expect(contentOf(file)).rejects.toThrow(NotFoundError);
    await reading.return(undefined);
    expect([await records(), await chunks()]).toEqual([0, 0]);
  });

  it('of a deleted session, also of what was arriving', async () => {
    await files.keep(upload, bytesOf('x'));
    await files.keep({ ...upload, purpose: 'output' }, bytesOf('x'));
    const [reached, goOn] = [deferred<void>(), deferred<void>()];
    async function* slow(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(CHUNK_BYTES);
      reached.resolve();
      await goOn.promise;
    }
    const keeping = files.keep(upload, slow());
    await reached.promise;
    await sessions().deleteOne({ _id: 'sesn_1' });
    await files.forget(ref);
    await files.forget(ref);
    expect(await files.uploads(ref)).toEqual([]);
    goOn.resolve();
    await expect(keeping).rejects.toThrow('removed while it arrived');
    await expect(files.keep(upload, bytesOf('x'))).rejects.toThrow(NotFoundError);
    expect([await records(), await chunks()]).toEqual([0, 0]);
  });

  it('of what was being removed when its process died', async () => {
    const file = await files.keep(upload, bytesOf('x'));
    await database.db
      .collection<{ _id: string }>('files')
      .updateOne({ _id: file._id }, [{ $set: { state: 'removed', due_at: '$$NOW' } }]);
    expect(await files.sweep()).toBe(1);
    expect([await records(), await chunks()]).toEqual([0, 0]);
  });
});
