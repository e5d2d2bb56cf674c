import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { FilesFullError, NotFoundError } from '../../../src/errors.ts';
import { CHUNK_BYTES } from '../../../src/resources/file-chunks.ts';
import { createFileRoom } from '../../../src/resources/file-room.ts';
import { createFileIndexes, createFiles } from '../../../src/resources/file-store.ts';
import type { Files, NewFile } from '../../../src/resources/files.ts';
import { cases } from '../../support/cases.ts';
import { deferred } from '../../support/deferred.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MB = CHUNK_BYTES;
const room = { session: 20 * MB, workspace: 30 * MB };
const upload: NewFile = {
  workspace_id: 'wrkspc_1',
  session_id: 'sesn_1',
  filename: 'x',
  mime_type: 'text/plain',
  purpose: 'upload',
};
const ELEVEN_MINUTES = 11 * 60_000;

let database: TestDatabase;
let files: Files;

beforeEach(async () => {
  database = await testDatabase();
  await createFileIndexes(database.db);
  files = createFiles(database.db, { max_bytes: 25 * MB, room });
  const sessions = ['sesn_1', 'sesn_2'].map((_id) => ({ _id, workspace_id: 'wrkspc_1' }));
  await database.db.collection<{ _id: string; workspace_id: string }>('sessions').insertMany(sessions);
});

afterEach(() => database[Symbol.asyncDispose]());

async function* bytesOf(size: number): AsyncGenerator<Uint8Array> {
  for (let left = size; left > 0; left -= MB) yield Buffer.alloc(Math.min(MB, left));
}

const keep = (size: number, over: Partial<NewFile> = {}) => files.keep({ ...upload, ...over }, bytesOf(size));
const inSession = 'The files of a session may have 20 MB together, and there is no room for more.';
const inWorkspace = 'The files of a workspace may have 30 MB together, and there is no room for more.';

async function taken(): Promise<Record<string, number>> {
  const rooms = await database.db.collection<{ _id: string; total: number }>('file_room').find().toArray();
  return Object.fromEntries(rooms.map(({ _id, total }) => [_id, total]));
}

/** What the files that are there have, by session and workspace. */
async function stored(): Promise<Record<string, number>> {
  const sums: Record<string, number> = {};
  for (const { session_id, workspace_id, size_bytes } of (await files.list('wrkspc_1', { limit: 100 })).items) {
    for (const scope of [session_id, workspace_id]) {
      if (scope !== null) sums[scope] = (sums[scope] ?? 0) + size_bytes;
    }
  }
  return sums;
}

async function passTime(): Promise<void> {
  await database.db
    .collection('files')
    .updateMany({ due_at: { $exists: true } }, [{ $set: { due_at: { $subtract: ['$due_at', ELEVEN_MINUTES] } } }]);
}

describe('files together', () => {
  it('fill the room of their session to the last byte, and no more', async () => {
    await keep(19 * MB);
    await keep(MB - 1);
    await expect(keep(2)).rejects.toThrow(inSession);
    await keep(1);
    await expect(keep(1)).rejects.toThrow(FilesFullError);
    expect(await taken()).toEqual({ sesn_1: 20 * MB, wrkspc_1: 20 * MB });
    // What was refused has left nothing.
    expect(await database.db.collection('files').countDocuments()).toBe(3);
    expect(await database.db.collection('file_chunks').countDocuments()).toBe(21);
  });

  it('fill the room of their workspace, whosever they are', async () => {
    await keep(15 * MB);
    await keep(10 * MB, { session_id: 'sesn_2' });
    await expect(keep(6 * MB, { session_id: null })).rejects.toThrow(inWorkspace);
    await keep(5 * MB, { session_id: null });
    await expect(keep(1)).rejects.toThrow(inWorkspace);
    await keep(30, { workspace_id: 'wrkspc_2', session_id: null });
    expect(await taken()).toEqual({ sesn_1: 15 * MB, sesn_2: 10 * MB, wrkspc_1: 30 * MB, wrkspc_2: 30 });
  });

  it('never have more than that, however many arrive at once', async () => {
    const kept = await Promise.allSettled(Array.from({ length: 12 }, () => keep(3 * MB)));
    const [session = 0] = [(await taken())['sesn_1']];
    expect(session).toBeGreaterThan(0);
    expect(session).toBeLessThanOrEqual(20 * MB);
    expect(session).toBe(kept.filter(({ status }) => status === 'fulfilled').length * 3 * MB);
    for (const one of kept) if (one.status === 'rejected') expect(one.reason).toBeInstanceOf(FilesFullError);
    // While they arrived, each of them may have held more than it had in the end.
    await keep(20 * MB - session);
  });

  it('give their room back when they are deleted, and with their session', async () => {
    const first = await keep(20 * MB);
    await files.remove('wrkspc_1', first._id);
    expect(await taken()).toEqual({ wrkspc_1: 0 });
    await keep(12 * MB);
    await keep(8 * MB);
    await files.forget({ workspace_id: 'wrkspc_1', session_id: 'sesn_1' });
    expect(await taken()).toEqual({ wrkspc_1: 0 });
  });

  it('give it back once, however many remove them', async () => {
    const [first] = [await keep(2 * MB), await keep(3 * MB)];
    const remove = () => files.remove('wrkspc_1', first._id).catch(() => undefined);
    await Promise.all([remove(), remove(), remove(), files.sweep(), remove()]);
    await files.sweep();
    expect(await taken()).toEqual({ sesn_1: 3 * MB, wrkspc_1: 3 * MB });
  });

  it('take none for what breaks off, or is there already', async () => {
    await keep(3, { key: 'k' });
    await Promise.all([keep(3, { key: 'k' }), keep(3, { key: 'k' })]);
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * MB);
      throw new Error('The line is dead');
    }
    await expect(files.keep(upload, broken())).rejects.toThrow('The line is dead');
    expect(await taken()).toEqual({ sesn_1: 3, wrkspc_1: 3 });
  });

  it('give back no more than they took: from before it was counted, none', async () => {
    const [old, older] = [await keep(2 * MB), await keep(MB, { session_id: 'sesn_2' })];
    const { db } = database;
    await db.collection('files').updateMany({}, { $unset: { counted: '' } });
    await db.collection('file_room').deleteMany({});
    const young = await keep(3 * MB);
    const all = { sesn_1: 3 * MB, wrkspc_1: 3 * MB };
    await files.remove('wrkspc_1', old._id);
    expect(await taken()).toEqual(all);
    await files.forget({ workspace_id: 'wrkspc_1', session_id: 'sesn_2' });
    await expect(files.get('wrkspc_1', older._id)).rejects.toThrow(NotFoundError);
    expect(await taken()).toEqual(all);
    await files.remove('wrkspc_1', young._id);
    expect(await taken()).toEqual({ wrkspc_1: 0 });
  });

  it('that never arrived give it back with the sweep', async () => {
    const reached = deferred<void>();
    async function* dying(): AsyncGenerator<Uint8Array> {
      yield Buffer.alloc(2 * MB);
      reached.resolve();
      await deferred<void>().promise;
    }
    void files.keep(upload, dying());
    await reached.promise;
    expect((await taken())['sesn_1']).toBeGreaterThanOrEqual(2 * MB);
    await passTime();
    expect(await files.sweep()).toBe(1);
    expect(await taken()).toEqual({ wrkspc_1: 0 });
  });
});

/** Every write of a process that dies at any of them. */
function mortal(after: number): typeof database.db {
  let left = after;
  return new Proxy(database.db, {
    get(db, name) {
      if (name !== 'collection') return Reflect.get(db, name, db);
      return (...of: Parameters<typeof db.collection>) =>
        new Proxy(db.collection(...of), {
          get(collection, method) {
            const value: unknown = Reflect.get(collection, method, collection);
            if (typeof value !== 'function') return value;
            const isWrite = /^(update|insert|delete|findOneAnd)/.test(String(method));
            return (...args: unknown[]): unknown => {
              if (isWrite && left-- <= 0) return Promise.reject(new Error('this process is dead'));
              return value.apply(collection, args);
            };
          },
        });
    },
  });
}

it('whatever dies at whichever write, what is counted is what is there in the end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ does: fc.constantFrom('keep', 'remove', 'forget'), dies_after: fc.nat(12) }), {
        maxLength: 5,
      }),
      async (lives) => {
        await Promise.all(
          ['files', 'file_chunks', 'file_room'].map((name) => database.db.collection(name).deleteMany({})),
        );
        for (const { does, dies_after } of lives) {
          const dying = createFiles(mortal(dies_after), { max_bytes: 25 * MB, room });
          const [one] = (await files.list('wrkspc_1', { limit: 1 })).items;
          const ref = { workspace_id: 'wrkspc_1', session_id: 'sesn_1' };
          const work =
            does === 'keep'
              ? dying.keep(
                  { ...upload, ...(dies_after % 2 === 0 ? {} : { session_id: 'sesn_2' }) },
                  bytesOf(MB + dies_after),
                )
              : does === 'forget'
                ? dying.forget(ref)
                : dying.remove('wrkspc_1', one?._id ?? 'file_0');
          await work.catch(() => undefined);
        }
        // Nobody knows of what arrived but the sweep, and of what was left halfway.
        await passTime();
        await files.sweep();
        const there = await stored();
        for (const [scope, total] of Object.entries(await taken()))
          expect([scope, total]).toEqual([scope, there[scope] ?? 0]);
        // It stays so when the rest goes.
        for (const session_id of ['sesn_1', 'sesn_2']) await files.forget({ workspace_id: 'wrkspc_1', session_id });
        expect(Object.values(await taken()).filter((total) => total !== 0)).toEqual([]);
      },
    ),
    cases(60),
  );
}, 120_000);

it('a file that is removed before its writer has said that it is kept gives back what it took', async () => {
  const kept = await keep(MB);
  const counting = createFileRoom(database.db, room);
  await counting.give(kept);
  await counting.settle(kept);
  await counting.give(kept);
  await counting.forget(kept);
  expect(await taken()).toEqual({ wrkspc_1: 0 });
});
