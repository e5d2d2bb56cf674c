import Anthropic, { toFile } from '@anthropic-ai/sdk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { partsOf } from '../../../src/api/multipart.ts';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let server: ApiServer;

beforeEach(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const files = () => server.client.beta.files;
const count = (name: string) => database.db.collection(name).countDocuments();

function post(body: BodyInit, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`${server.url}/v1/files`, { method: 'POST', body, headers: { 'x-api-key': server.key, ...headers } });
}

describe('the files API, as the SDK speaks it', () => {
  it('takes a file, tells of it, gives it back and deletes it', async () => {
    const bytes = Buffer.from(Array.from({ length: 2_500_000 }, (_, n) => n % 251));
    const made = await files().upload({ file: await toFile(bytes, 'Größe "1".bin', { type: 'application/zip' }) });
    expect(made).toMatchObject({
      type: 'file',
      filename: 'Größe "1".bin',
      mime_type: 'application/zip',
      size_bytes: bytes.length,
      downloadable: true,
      scope: null,
    });
    expect(await files().retrieveMetadata(made.id)).toEqual(made);
    const answer = await files().download(made.id);
    expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'content-type': 'application/zip',
      'content-disposition': `attachment; filename*=UTF-8''Gr%C3%B6%C3%9Fe%20%221%22.bin`,
      'x-content-type-options': 'nosniff',
      'content-security-policy': "sandbox; default-src 'none'",
    });
    expect(await files().delete(made.id)).toEqual({ id: made.id, type: 'file_deleted' });
    expect((await refusal(files().retrieveMetadata(made.id))).status).toBe(404);
    expect([await count('files'), await count('file_chunks')]).toEqual([0, 0]);
  });

  it('lists page by page, by ids, and those of one session', async () => {
    const made = [];
    for (const name of ['a', 'b', 'c'])
      made.push(await files().upload({ file: await toFile(Buffer.from(name), name) }));
    const listed = [];
    for await (const file of files().list({ limit: 1 })) listed.push(file.filename);
    expect(listed).toEqual(['c', 'b', 'a']);
    const picked = await files().list({ ids: [made[0]?.id ?? '', 'file_unknown', made[2]?.id ?? ''] });
    expect(picked.data.map((file) => file.filename).toSorted()).toEqual(['a', 'c']);

    const agent = await server.client.beta.agents.create({ name: 'one', model: 'claude-sonnet-5-5' });
    const environment = await server.client.beta.environments.create({ name: 'lab' });
    const session = await server.client.beta.sessions.create({ agent: agent.id, environment_id: environment.id });
    const about = { ...server.ref(session.id), filename: 'chart.png', mime_type: 'image/png' };
    const output = await server.files.keep(
      { ...about, purpose: 'output' },
      (async function* () {
        yield Buffer.from('png');
      })(),
    );
    const { data } = await files().list({ scope_id: session.id });
    expect(data).toMatchObject([{ id: output._id, scope: { type: 'session', id: session.id } }]);
    expect((await files().list({ scope_id: 'sesn_other' })).data).toEqual([]);
  });

  it('knows nothing of another workspace’s files', async () => {
    const { id } = await files().upload({ file: await toFile(Buffer.from('x'), 'x') });
    const { key } = await server.keys.create('wrkspc_other', 'theirs');
    const theirs = server.clientWith(key).beta.files;
    for (const ask of [() => theirs.retrieveMetadata(id), () => theirs.download(id), () => theirs.delete(id)]) {
      expect((await refusal(ask())).status).toBe(404);
    }
    expect((await theirs.list({ ids: [id] })).data).toEqual([]);
    expect((await theirs.list()).data).toEqual([]);
    expect((await files().list()).data).toHaveLength(1);
  });

  it('refuses what is too large, and keeps nothing of it', async () => {
    const refused = await refusal(files().upload({ file: await toFile(Buffer.alloc(5_000_001), 'big') }));
    expect(refused).toBeInstanceOf(Anthropic.APIError);
    expect(refused.status).toBe(413);
    expect([await count('files'), await count('file_chunks')]).toEqual([0, 0]);
  });

  it('refuses midway without spoiling the connection for what the client asks next', async () => {
    for (let times = 0; times < 3; times++) {
      expect((await refusal(files().upload({ file: await toFile(Buffer.alloc(6_000_000), 'big') }))).status).toBe(413);
      expect((await files().list()).data).toEqual([]);
    }
  });

  it('refuses what has no room in its workspace, until something is deleted', async () => {
    const upload = async (size = 5_000_000) => files().upload({ file: await toFile(Buffer.alloc(size), 'x') });
    const [first] = [await upload(), await upload(), await upload()];
    const refused = await refusal(upload(1_000_001));
    expect(refused.status).toBe(413);
    expect(refused.error).toMatchObject({
      type: 'error',
      error: {
        type: 'invalid_request_error',
        message: 'The files of a workspace may have 15 MB together, and there is no room for more.',
      },
    });
    expect((await files().list()).data).toHaveLength(3);
    await files().delete(first.id);
    await upload(1_000_001);
  });
});

describe('a form', () => {
  const form = (boundary = 'x', ...parts: string[]) =>
    `${parts.map((part) => `--${boundary}\r\n${part}\r\n`).join('')}--${boundary}--\r\n`;
  const file =
    'Content-Disposition: form-data; name="file"; filename="a.txt"\r\nContent-Type: text/plain\r\n\r\ncontent';
  const multipart = { 'content-type': 'multipart/form-data; boundary=x' };

  it.each([
    ['is none', 'content', { 'content-type': 'application/json' }],
    ['has no boundary', form('x', file), { 'content-type': 'multipart/form-data' }],
    ['breaks off', form('x', file).slice(0, -10), multipart],
    ['breaks off in the headers', '--x\r\nContent-Disp', multipart],
    ['is empty', '', multipart],
    ['has no part', form(), multipart],
    ['has no file', form('x', 'Content-Disposition: form-data; name="other"; filename="a"\r\n\r\nx'), multipart],
    ['has two', form('x', file, file), multipart],
    ['has a field as its file', form('x', 'Content-Disposition: form-data; name="file"\r\n\r\nx'), multipart],
    [
      'asks for more',
      form('x', file, 'Content-Disposition: form-data; name="expires_in_seconds"\r\n\r\n3600'),
      multipart,
    ],
    ['has a part without a name', form('x', 'X-Y: z\r\n\r\nx'), multipart],
    ['has endless headers', form('x', `X-Y: ${'z'.repeat(20_000)}\r\n\r\nx`), multipart],
    ['goes on behind its boundary', '--xy\r\n\r\n--x--', multipart],
  ])('that %s is refused in words, and nothing of it stays', async (_what, body, headers) => {
    const answer = await post(body, headers);
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ error: { type: 'invalid_request_error', message: /\S/ } });
    expect([await count('files'), await count('file_chunks')]).toEqual([0, 0]);
  });

  it('gives a name that leads elsewhere as its last part, and a type that is none as bytes', async () => {
    const part =
      'Content-Disposition: form-data; name="file"; filename="../../etc/.passwd"\r\nContent-Type: nonsense\r\n\r\n';
    const answer = await post(form('x', part), multipart);
    expect(await answer.json()).toMatchObject({
      filename: '_passwd',
      mime_type: 'application/octet-stream',
      size_bytes: 0,
    });
  });

  it('is read the same however its bytes come', async () => {
    const content = 'almost \r\n--x, \r\n--, \r\r\n-\r\n--xBoundar, and then some\r\n';
    const head =
      'Content-Disposition: form-data; name="file"; filename="a%22b.txt"\r\nContent-Type: text/plain\r\n\r\n';
    const empty = 'Content-Disposition: form-data; name="empty"\r\n\r\n';
    const body = Buffer.from(`preamble\r\n${form('xBoundary', head + content, empty)}epilogue`);
    for (let size = 1; size < 80; size++) {
      async function* pieces(): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < body.length; at += size) yield body.subarray(at, at + size);
      }
      const found = [];
      for await (const { content: bytes, ...part } of partsOf(pieces(), 'multipart/form-data; boundary="xBoundary"')) {
        const read: Uint8Array[] = [];
        for await (const piece of bytes) read.push(piece);
        found.push({ ...part, text: Buffer.concat(read).toString() });
      }
      expect(found).toEqual([
        { name: 'file', filename: 'a"b.txt', mime_type: 'text/plain', text: content },
        { name: 'empty', filename: null, mime_type: '', text: '' },
      ]);
    }
  });
});
