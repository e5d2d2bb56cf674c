import { isDeepStrictEqual } from 'node:util';
import type Anthropic from '@anthropic-ai/sdk';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiDeps, createApi } from '../../src/api/api.ts';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { fold } from '../../src/session/state.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { routesOf } from '../support/fuzz/express-routes.ts';
import { send, type WireAnswer } from '../support/fuzz/http.ts';
import { type FuzzedRequest, fuzzedRequests, wireOf } from '../support/fuzz/requests.ts';
import { V1_ROUTES } from '../support/fuzz/routes.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { changedBetween, expectNoOperators } from '../support/fuzz/store-watch.ts';
import { makeResources, startWorld, type World } from '../support/fuzz/world.ts';

/** Every route of the API against whatever may arrive. docs/reliability.md says how to run it for longer. */

let world: World;

beforeAll(async () => {
  world = await startWorld();
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

it('knows every route of /v1', () => {
  // Making the routers asks nothing of what they will work with.
  const routes = routesOf(createApi({} as ApiDeps), ['/agents', '/environments', '/files', '/sessions']);
  expect(routes.length).toBeGreaterThan(20);
  expect(Object.keys(V1_ROUTES).toSorted()).toEqual(routes.toSorted());
});

describe.each(Object.entries(V1_ROUTES))('%s', (key, valid) => {
  it(
    'answers whatever arrives, and keeps all of it or nothing',
    async () => {
      await fc.assert(
        fc.asyncProperty(fuzzedRequests(key, valid), async (fuzzed) => {
          const ids = { ...world.foreign, ...(await makeResources(world.context, DEFAULT_WORKSPACE, 'ours')) };
          try {
            await check(fuzzed, ids);
          } finally {
            await world.stores.forgetNew();
          }
        }),
        cases(9),
      );
    },
    CASES_TIMEOUT_MS,
  );
});

async function check(fuzzed: FuzzedRequest, ids: Record<string, string>): Promise<void> {
  const before = await world.stores.look();
  const usual = { prefix: '/v1', headers: { 'x-api-key': SECRETS.api_key } };
  const answer = await send(world.url, wireOf(fuzzed, ids, usual));
  const after = await world.stores.look();
  const changes = changedBetween(before, after);

  expect(answer.status, answer.text).toSatisfy(
    (status: number) => (status >= 200 && status < 300) || status === 304 || (status >= 400 && status < 500),
  );
  expectNoSecret(JSON.stringify(answer.headers) + answer.text, 'the answer');
  expectNoSecret(world.takeLog(), 'the log');
  expect(changes.filter((change) => mentions(change, world.foreign))).toEqual([]);
  if (answer.status >= 400) {
    expectError(answer);
    expectPath(answer, fuzzed);
    expect(changes, 'a refused request left something').toEqual([]);
    return;
  }
  expectNoOperators(after);
  await expectReadable(world.client, answer.json);
  await expectWholeLog(ids['session'] ?? '');
}

function mentions(change: string, ids: Record<string, string>): boolean {
  return Object.values(ids).some((id) => change.includes(id));
}

const ERROR_TYPES: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  404: 'not_found_error',
  409: 'conflict_error',
};

function expectError(answer: WireAnswer): void {
  // What Node itself refuses never reaches the API.
  if (answer.status === 417) return;
  expect(answer.json, answer.text).toEqual({
    type: 'error',
    error: expect.objectContaining({
      type: ERROR_TYPES[answer.status] ?? 'invalid_request_error',
      message: expect.stringMatching(/\S/),
    }),
    request_id: answer.headers['request-id'],
  });
}

/** Fields whose rules look at each other, so that a change in one may be reported at the other. */
const RELATED: Record<string, string[]> = { tools: ['mcp_servers'], mcp_servers: ['tools'] };

/** One field was spoilt: the message begins with where it is, or where what it belongs to is. */
function expectPath(answer: WireAnswer, { body, id, headers, query }: FuzzedRequest): void {
  const [change, ...others] = body?.changes ?? [];
  const isOnlyBody = id === '' || id === '{session}' || id === '{agent}' || id === '{environment}';
  if (answer.status !== 400 || change === undefined || others.length > 0 || !isOnlyBody) return;
  if (Object.keys(headers).length > 0 || query.length > 0 || change.at === '') return;
  const { message } = (answer.json as { error: { message: string } }).error;
  // No JSON at all (the parser says where), or no form.
  if (/JSON|Unexpected|property name|multipart/.test(message)) return;
  const [root = ''] = change.at.split('.');
  const [, named = ''] = /^([^:]*): /.exec(message) ?? [];
  const roots = [root, ...(RELATED[root] ?? [])];
  // A name that is not known, or must not be, is named itself.
  const unrecognized = /Unrecognized key|is a name that cannot be stored/.test(message);
  expect(
    unrecognized || roots.some((one) => named === one || named.startsWith(`${one}.`)),
    `${change.at} -> ${message}`,
  ).toBe(true);
}

/** What was accepted is there afterwards as it was answered, by itself and in its list. */
async function expectReadable(client: Anthropic, answered: unknown): Promise<void> {
  if (typeof answered !== 'object' || answered === null || !('type' in answered) || !('id' in answered)) return;
  const { id, type } = answered as { id: string; type: string };
  switch (type) {
    case 'agent':
      expect(timeless(await client.beta.agents.retrieve(id))).toEqual(timeless(answered));
      expect(await isListed(client.beta.agents.list({ include_archived: true, limit: 100 }), answered)).toBe(true);
      return;
    case 'environment':
      expect(timeless(await client.beta.environments.retrieve(id))).toEqual(timeless(answered));
      expect(await isListed(client.beta.environments.list({ include_archived: true, limit: 100 }), answered)).toBe(
        true,
      );
      return;
    case 'session':
      expect(timeless(await client.beta.sessions.retrieve(id))).toEqual(timeless(answered));
      expect(await isListed(client.beta.sessions.list({ include_archived: true, limit: 100 }), answered)).toBe(true);
      return;
    default:
  }
}

async function isListed(list: AsyncIterable<{ id: string }>, answered: unknown): Promise<boolean> {
  for await (const item of list) if (isDeepStrictEqual(timeless(item), timeless(answered))) return true;
  return false;
}

/** Without what grows by itself. */
function timeless(resource: unknown): unknown {
  const plain: Record<string, unknown> = JSON.parse(JSON.stringify(resource));
  return { ...plain, stats: null };
}

/** The log folds without a gap, and a list gives the same events. */
async function expectWholeLog(session_id: string): Promise<void> {
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id };
  const entries = await world.context.log.read(ref).catch(() => null);
  // A deleted session has none.
  if (entries === null) return;
  fold(entries);
  const listed = await world.context.log.query({ ...ref, include_internal: true, order: 'asc', limit: 1000 });
  expect(listed.map(({ event }) => event.id)).toEqual(entries.map(({ event }) => event.id));
}
