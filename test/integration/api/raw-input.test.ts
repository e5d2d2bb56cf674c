import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ensureDefaults } from '../../../src/resources/defaults.ts';
import { type ApiServer, startApiServer } from '../../support/api-server.ts';
import { eventually } from '../../support/eventually.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

/** What no SDK would send. */

let database: TestDatabase;
let server: ApiServer;

beforeAll(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
  await ensureDefaults(server);
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

interface Answer {
  status: number;
  body: { type: string; error: { type: string; message: string }; request_id: string };
  request_id: string | null;
}

async function ask(
  path: string,
  init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
): Promise<Answer> {
  const headers = { 'x-api-key': server.key, 'content-type': 'application/json', ...init.headers };
  const response = await fetch(server.url + path, { ...init, headers });
  const request_id = response.headers.get('request-id');
  return { status: response.status, body: JSON.parse(await response.text()), request_id };
}

const post = (path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}) =>
  ask(path, { method: 'POST', body, headers });

function expectError(answer: Answer, status: number, type: string): void {
  expect(answer.status).toBe(status);
  expect(answer.body).toEqual({
    type: 'error',
    error: expect.objectContaining({ type, message: expect.stringMatching(/\S/) }),
    request_id: answer.request_id,
  });
  expect(answer.request_id).toMatch(/^req_/);
}

describe('a key', () => {
  it.each([
    [{ 'x-api-key': '' }],
    [{ 'x-api-key': 'wrong' }],
    [{ 'x-api-key': 'a key that an operator chos' }],
    [{ 'x-api-key': 'x'.repeat(5000) }],
    [{ 'x-api-key': '{"$gt":""}' }],
    [{ 'x-api-key': '', authorization: 'Basic YTpi' }],
    [{ 'x-api-key': '', authorization: 'Bearer wrong' }],
  ])('that is not known opens nothing: %j', async (headers) => {
    expectError(await ask('/v1/agents', { headers }), 401, 'authentication_error');
    expectError(await ask('/v1/nothing', { headers }), 401, 'authentication_error');
  });

  it('is taken from either header, and acts in its own workspace only', async () => {
    const key = { 'x-api-key': server.key };
    const { 'x-api-key': value } = key;
    const bearer = await fetch(`${server.url}/v1/agents`, { headers: { authorization: `Bearer ${value}` } });
    expect(bearer.status).toBe(200);
    const own = await ask('/v1/agents', { headers: { 'anthropic-workspace-id': 'wrkspc_default' } });
    expect(own.status).toBe(200);
    const other = await ask('/v1/agents', { headers: { 'anthropic-workspace-id': 'wrkspc_other' } });
    expectError(other, 403, 'permission_error');
  });

  it('that is revoked stops working, here at once', async () => {
    const { key, key_id } = await server.keys.create('wrkspc_default', 'for a while');
    expect((await ask('/v1/agents', { headers: { 'x-api-key': key } })).status).toBe(200);
    await server.keys.revoke('wrkspc_default', key_id);
    expectError(await ask('/v1/agents', { headers: { 'x-api-key': key } }), 401, 'authentication_error');
  });

  it('that another process revoked stops working within seconds', async () => {
    const { key, key_id } = await server.keys.create('wrkspc_default', 'for a while');
    expect((await ask('/v1/agents', { headers: { 'x-api-key': key } })).status).toBe(200);
    await database.db
      .collection<{ _id: string; revoked_at: Date | null }>('api_keys')
      .updateOne({ _id: key_id }, { $set: { revoked_at: new Date() } });
    await eventually(async () => {
      expect((await ask('/v1/agents', { headers: { 'x-api-key': key } })).status).toBe(401);
    }, 10_000);
  });

  it('is stored as a hash', async () => {
    const stored = JSON.stringify(await database.db.collection('api_keys').find().toArray());
    expect(stored).not.toContain(server.key);
    expect(stored).toContain('hash');
  });
});

describe('a path that does not exist', () => {
  it.each([
    ['GET', '/v1'],
    ['GET', '/v1/nothing'],
    ['PUT', '/v1/agents'],
    ['DELETE', '/v1/agents/agent_1'],
    ['GET', '/v1/sessions/sesn_1/threads'],
  ])('%s %s is a 404 in the same shape', async (method, path) => {
    expectError(await ask(path, { method }), 404, 'not_found_error');
  });

  it('with broken percent signs is a 400', async () => {
    expectError(await ask('/v1/agents/%E0%A4%A'), 400, 'invalid_request_error');
    expectError(await ask('/v1/agents/%00'), 404, 'not_found_error');
    expectError(await ask(`/v1/sessions/${encodeURIComponent('{"$ne":1}')}`), 404, 'not_found_error');
  });
});

describe('a body', () => {
  it.each([
    ['not JSON', '{"name": '],
    ['a list', '[]'],
    ['a string', '"x"'],
    ['null', 'null'],
    ['nothing', ''],
    ['form data', 'name=x&model=y'],
    ['two values', '{} {}'],
    ['a number', '1'],
  ])('that is %s is a 400', async (_what, body) => {
    expectError(await post('/v1/agents', body), 400, 'invalid_request_error');
    expectError(await post('/v1/agents', body, { 'content-type': 'text/plain' }), 400, 'invalid_request_error');
  });

  it('that is too large is a 413', async () => {
    const large = JSON.stringify({ name: 'x'.repeat(9 * 1024 * 1024) });
    expectError(await post('/v1/agents', large), 413, 'invalid_request_error');
    expectError(
      await post('/v1/agents', new Uint8Array(gzipSync(large)), { 'content-encoding': 'gzip' }),
      413,
      'invalid_request_error',
    );
  });

  it('in an unknown encoding or charset is a 4xx', async () => {
    expect((await post('/v1/agents', '{}', { 'content-encoding': 'zip' })).status).toBe(415);
    expect((await post('/v1/agents', '{}', { 'content-type': 'application/json; charset=x' })).status).toBe(415);
    expectError(await post('/v1/agents', 'x', { 'content-encoding': 'gzip' }), 400, 'invalid_request_error');
  });

  const agent = (rest: string) => `{"name":"n","model":"m",${rest}}`;
  const schema = (properties: string) =>
    agent(
      `"tools":[{"type":"custom","name":"t","description":"d","input_schema":{"type":"object","properties":${properties}}}]`,
    );

  it.each([
    ['operators for a name', '{"name":{"$gt":""},"model":"m"}'],
    ['operators for metadata', agent('"metadata":{"a":{"$gt":""}}')],
    ['the prototype', agent('"__proto__":{"version":7}')],
    ['the prototype in metadata', agent('"metadata":{"__proto__":"x"}')],
    ['the prototype in a schema', schema('{"__proto__":{"x":1}}')],
    ['a NUL in a name', agent('"metadata":{"a\\u0000b":"x"}')],
    ['a NUL in a schema', schema('{"a\\u0000b":{}}')],
    ['a BSON type', schema('{"x":{"_bsontype":"ObjectId","id":"x"}}')],
    ['half a character', agent('"system":"a\\ud800b"')],
    ['half a character in a key', agent('"metadata":{"a\\udc00":"x"}')],
    ['deep nesting', schema(`${'{"a":'.repeat(200)}1${'}'.repeat(200)}`)],
    ['very deep nesting', agent(`"tools":${'['.repeat(20_000)}${']'.repeat(20_000)}`)],
  ])('with %s is a 400', async (_what, body) => {
    expectError(await post('/v1/agents', body), 400, 'invalid_request_error');
  });

  it('may have names that mean something to JavaScript or MongoDB where names are free', async () => {
    const metadata = { constructor: 'a', 'a.b': 'b', $set: 'c', hasOwnProperty: 'd', prototype: 'e' };
    const answer = await post('/v1/agents', JSON.stringify({ name: 'n', model: 'm', metadata }));
    expect(answer.status).toBe(200);
    const { id } = answer.body as unknown as { id: string };
    expect((await ask(`/v1/agents/${id}`)).body).toMatchObject({ metadata });
    const patched = await post(`/v1/agents/${id}`, '{"metadata":{"constructor":null,"toString":"f"}}');
    const { constructor: _gone, ...rest } = metadata;
    expect((patched.body as unknown as { metadata: object }).metadata).toEqual({ ...rest, toString: 'f' });
  });
});

describe('a query', () => {
  it.each([
    '/v1/agents?limit=ten',
    '/v1/agents?limit=-1',
    '/v1/agents?limit=1&limit=2',
    '/v1/agents?page[$gt]=1&page=',
    '/v1/agents?page=WzEsMl0',
    '/v1/agents?include_archived=maybe',
    '/v1/agents?created_at[gte]=1',
    '/v1/agents/agent_default?version=0',
    '/v1/agents/agent_default?version=1e3',
    '/v1/agents/agent_default/versions?page=x',
    '/v1/sessions?statuses[]=x',
  ])('%s is a 400', async (path) => {
    expectError(await ask(path), 400, 'invalid_request_error');
  });

  it('that is unknown is left alone', async () => {
    expect((await ask('/v1/agents?beta=true&__proto__=x&limit[$gt]=1')).status).toBe(200);
  });
});
