import { toFile } from '@anthropic-ai/sdk';
import type { BetaManagedAgentsFileResource } from '@anthropic-ai/sdk/resources/beta/sessions/resources';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let server: ApiServer;
let base: { agent: string; environment_id: string };

beforeEach(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
  const agent = await server.client.beta.agents.create({ name: 'one', model: 'claude-sonnet-5-5' });
  const environment = await server.client.beta.environments.create({ name: 'lab' });
  base = { agent: agent.id, environment_id: environment.id };
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const sessions = () => server.client.beta.sessions;

async function uploaded(name: string, content: string | Buffer = name): Promise<string> {
  return (await server.client.beta.files.upload({ file: await toFile(Buffer.from(content), name) })).id;
}

/** What the session's sandbox gets: name and content. */
async function mounted(session_id: string): Promise<string[]> {
  const found: string[] = [];
  for (const file of await server.files.uploads(server.ref(session_id))) {
    const pieces: Uint8Array[] = [];
    for await (const piece of server.files.read(file)) pieces.push(piece);
    found.push(`${file.filename}: ${Buffer.concat(pieces).toString()}`);
  }
  return found.toSorted();
}

describe('files among a session’s resources', () => {
  it('are there from its first event on, where they were asked for, and are shown with it', async () => {
    const [data, notes] = [await uploaded('data.csv', '1,2'), await uploaded('notes.txt')];
    const session = await sessions().create({
      ...base,
      resources: [
        { type: 'file', file_id: data, mount_path: '/mnt/session/uploads/numbers.csv' },
        { type: 'file', file_id: notes },
      ],
      initial_events: [{ type: 'user.message', content: [{ type: 'text', text: 'Add them up' }] }],
    });
    expect(await mounted(session.id)).toEqual([`${notes}: notes.txt`, 'numbers.csv: 1,2'].toSorted());
    const paths = (resources: unknown[]) =>
      (resources as BetaManagedAgentsFileResource[])
        .map(({ file_id, mount_path }) => `${file_id} ${mount_path}`)
        .toSorted();
    const expected = [`${data} /mnt/session/uploads/numbers.csv`, `${notes} /mnt/session/uploads/${notes}`].toSorted();
    expect(paths(session.resources)).toEqual(expected);
    expect(paths((await sessions().retrieve(session.id)).resources)).toEqual(expected);
    const [listed] = (await sessions().list()).data;
    expect(paths(listed?.resources ?? [])).toEqual(expected);
    expect(server.woken).toEqual([session.id]);
  });

  it('have room together, and what has none is refused with all that was asked for', async () => {
    const file_id = await uploaded('large', Buffer.alloc(4_900_000));
    const copies = ['a', 'b', 'c'].map((name) => ({
      type: 'file' as const,
      file_id,
      mount_path: `/mnt/session/uploads/${name}`,
    }));
    const refused = await refusal(sessions().create({ ...base, resources: copies }));
    expect([refused.status, refused.message]).toEqual([
      413,
      expect.stringContaining('The files of a session may have 9 MB together, and there is no room for more.'),
    ]);
    expect((await sessions().list()).data).toEqual([]);
    const session = await sessions().create({ ...base, resources: copies.slice(0, 2) });
    const [third] = copies.slice(2);
    const add = () => sessions().resources.add(session.id, third ?? { type: 'file', file_id });
    expect((await refusal(add())).status).toBe(413);
    const [first] = session.resources as BetaManagedAgentsFileResource[];
    await sessions().resources.delete(first?.id ?? '', { session_id: session.id });
    await add();
    expect(await mounted(session.id)).toHaveLength(2);
  });

  it('are added, listed, retrieved and deleted, and keep nothing of the file they came from', async () => {
    const session = await sessions().create(base);
    expect(session.resources).toEqual([]);
    const file_id = await uploaded('a.txt');
    const added = await sessions().resources.add(session.id, {
      type: 'file',
      file_id,
      mount_path: '/mnt/session/uploads/a.txt',
    });
    expect(added).toMatchObject({ type: 'file', file_id, mount_path: '/mnt/session/uploads/a.txt' });
    await server.client.beta.files.delete(file_id);
    expect(await mounted(session.id)).toEqual(['a.txt: a.txt']);
    const of = { session_id: session.id };
    expect(await sessions().resources.retrieve(added.id, of)).toEqual(added);
    const listed = [];
    for await (const resource of sessions().resources.list(session.id, { limit: 1 })) listed.push(resource);
    expect(listed).toEqual([added]);
    const updated = await refusal(sessions().resources.update(added.id, { ...of, authorization_token: 'x' }));
    expect(updated.status).toBe(400);
    expect(await sessions().resources.delete(added.id, of)).toEqual({ id: added.id, type: 'session_resource_deleted' });
    expect((await refusal(sessions().resources.retrieve(added.id, of))).status).toBe(404);
    expect(await mounted(session.id)).toEqual([]);
  });

  it.each([
    ['/etc/passwd'],
    ['/mnt/session/uploads/'],
    ['/mnt/session/uploads/../outputs/x'],
    ['/mnt/session/uploads/a/b'],
    ['/mnt/session/uploads/.hidden'],
    ['/mnt/session/uploads/a\nb'],
  ])('are not mounted at %j', async (mount_path) => {
    const session = await sessions().create(base);
    const file_id = await uploaded('a.txt');
    const error = await refusal(sessions().resources.add(session.id, { type: 'file', file_id, mount_path }));
    expect([error.status, error.apiMessage]).toEqual([
      400,
      expect.stringContaining('mount_path: must be a plain name'),
    ]);
    expect(await mounted(session.id)).toEqual([]);
  });

  it('take no place that is taken, and a session that would need it is not made', async () => {
    const file_id = await uploaded('a.txt');
    const resource = { type: 'file' as const, file_id, mount_path: '/mnt/session/uploads/a.txt' };
    const error = await refusal(sessions().create({ ...base, resources: [resource, resource] }));
    expect([error.status, error.apiMessage]).toEqual([400, expect.stringContaining('resources.1.mount_path')]);
    expect((await sessions().list()).data).toEqual([]);
    const session = await sessions().create({ ...base, resources: [resource] });
    expect((await refusal(sessions().resources.add(session.id, resource))).status).toBe(400);
    expect(await mounted(session.id)).toEqual(['a.txt: a.txt']);
    expect(await database.db.collection('files').countDocuments()).toBe(2);
  });

  it('are those of the key’s workspace, of a session that is open', async () => {
    const session = await sessions().create(base);
    const resource = { type: 'file' as const, file_id: await uploaded('a.txt') };
    const { id } = await sessions().resources.add(session.id, resource);
    const { key } = await server.keys.create('wrkspc_other', 'theirs');
    const theirs = server.clientWith(key).beta.sessions.resources;
    const of = { session_id: session.id };
    for (const ask of [
      () => theirs.add(session.id, resource),
      () => theirs.retrieve(id, of),
      () => theirs.delete(id, of),
    ]) {
      expect((await refusal(ask())).status).toBe(404);
    }
    expect((await refusal(theirs.list(session.id))).status).toBe(404);
    const other = await sessions().create(base);
    expect((await refusal(sessions().resources.retrieve(id, { session_id: other.id }))).status).toBe(404);
    await sessions().archive(session.id);
    expect((await refusal(sessions().resources.add(session.id, resource))).status).toBe(400);
    expect(await mounted(session.id)).toHaveLength(1);
  });
});
