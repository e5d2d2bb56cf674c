import { once } from 'node:events';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { send, type WireAnswer } from '../support/fuzz/http.ts';
import { expectCleanLog } from '../support/fuzz/logged.ts';
import { SECRETS } from '../support/fuzz/secrets.ts';
import { changedBetween } from '../support/fuzz/store-watch.ts';
import { makeResources, startWorld, type World } from '../support/fuzz/world.ts';
import { createWebClient } from '../support/web-client.ts';

/** What the fuzz found in the API and the page's routes, one by one and by name. */

let world: World;
let ids: Record<string, string>;

beforeAll(async () => {
  world = await startWorld();
  ids = await makeResources(world.context, DEFAULT_WORKSPACE, 'ours');
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

afterEach(() => expectCleanLog(world.takeLog()));

function post(path: string, body: object | string): Promise<WireAnswer> {
  const headers = { 'x-api-key': SECRETS.api_key, 'content-type': 'application/json' };
  return send(world.url, {
    method: 'POST',
    path,
    headers,
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
}

/** The request is refused with this status, in words that match, and nothing is different afterwards. */
async function expectRefused(asked: () => Promise<WireAnswer>, status: number, words: RegExp): Promise<void> {
  const before = await world.stores.look();
  const answer = await asked();
  expect(answer.status, answer.text).toBe(status);
  expect(answer.text).toMatch(words);
  expect(changedBetween(before, await world.stores.look())).toEqual([]);
}

const said = { type: 'user.message', content: [{ type: 'text', text: 'Hello.' }] };
const agentWith = (schema: string) =>
  `{"name":"n","model":"m","tools":[{"type":"custom","name":"t","description":"d","input_schema":{"type":"object","x":${schema}}}]}`;

describe('a request of several events', () => {
  const events = () => `/v1/sessions/${ids['session']}/events`;
  const confirmation = () => ({ type: 'user.tool_confirmation', tool_use_id: ids['approval_call'], result: 'allow' });

  it('leaves no message behind when the confirmation after it is refused', async () => {
    const unknown = { ...confirmation(), tool_use_id: world.foreign['foreign_approval_call'] };
    await expectRefused(() => post(events(), { events: [said, unknown] }), 400, /events\.1\.tool_use_id: /);
  });

  it('decides nothing when the result after the decision is refused', async () => {
    const result = { type: 'user.custom_tool_result', custom_tool_use_id: ids['approval_call'] };
    const asked = () => post(events(), { events: [confirmation(), result] });
    await expectRefused(asked, 400, /events\.1\.custom_tool_use_id: /);
  });

  it('decides nothing when it decides the same twice', async () => {
    const asked = () => post(events(), { events: [confirmation(), confirmation()] });
    await expectRefused(asked, 400, /events\.1\.tool_use_id: is confirmed twice/);
  });
});

describe('what is too large to store', () => {
  it('as initial events makes no session', async () => {
    const { agent, environment: environment_id } = ids;
    const envelope = JSON.stringify({
      agent,
      environment_id,
      initial_events: [{ ...said, content: [{ type: 'text', text: '' }] }],
    });
    // As large as a body may be: with its id and sender the event is larger than an append.
    const body = envelope.replace('"text":""', `"text":"${'x'.repeat(8 * 1024 * 1024 - envelope.length)}"`);
    await expectRefused(() => post('/v1/sessions', body), 400, /initial_events\.0: \d+ bytes are more than/);
  });

  it.each([
    ['an agent of long descriptions', agentWith(`"${'x'.repeat(2_000_000)}"`)],
    // A list of small values is seven times larger in MongoDB than as JSON.
    ['an agent with a long list', agentWith(`[${'1,'.repeat(400_000)}1]`)],
    ['an agent with a very long list', agentWith(`[${'1,'.repeat(4_000_000)}1]`)],
  ])('%s is refused', async (_what, body) => {
    await expectRefused(() => post('/v1/agents', body), 400, /tools/);
  });

  it('a number is refused rather than kept as null', async () => {
    await expectRefused(() => post('/v1/agents', agentWith('1e309')), 400, /input_schema\.x: is too large/);
  });
});

it('names the field of a session whose overrides do not fit together', async () => {
  const { agent: id, environment: environment_id } = ids;
  const agent = { type: 'agent_with_overrides', id, tools: [{ type: 'mcp_toolset', mcp_server_name: 'wiki' }] };
  await expectRefused(
    () => post('/v1/sessions', { agent, environment_id }),
    400,
    /"agent\.tools: there is no MCP server/,
  );
});

it('takes no cursor to a day that no calendar has', async () => {
  const page = Buffer.from('[8640000000000001,"x","next"]').toString('base64url');
  const headers = { 'x-api-key': SECRETS.api_key };
  await expectRefused(
    () => send(world.url, { method: 'GET', path: `/v1/agents?page=${page}`, headers }),
    400,
    /page: /,
  );
});

it('does not hold a connection open for a HEAD of a stream', async () => {
  const web = createWebClient(world.url);
  await web.signIn('Ana', SECRETS.api_key);
  expect((await web.request('HEAD', '/web/events')).status).toBe(405);
  const headers = { 'x-api-key': SECRETS.api_key };
  const path = `/v1/sessions/${ids['session']}/events/stream`;
  expect((await send(world.url, { method: 'HEAD', path, headers })).status).toBe(405);
});

it('answers a browser of HTTP/1.0 that names no host', async () => {
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.end('POST /web/session HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}');
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 403 /);
});

it('searches for any character there is', async () => {
  const web = createWebClient(world.url);
  await web.signIn('Ana', SECRETS.api_key);
  const { id } = await web.begin();
  await web.say(id, 'before\u0000after');
  expect(await web.call('GET', '/web/conversations?search=e%00a')).toMatchObject({ data: [{ id }] });
});
