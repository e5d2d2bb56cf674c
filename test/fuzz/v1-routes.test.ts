import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiDeps, createApi } from '../../src/api/api.ts';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { routesOf } from '../support/fuzz/express-routes.ts';
import type { WireAnswer } from '../support/fuzz/http.ts';
import { asItIs, type FuzzedRequest, fuzzedRequests, wireOf } from '../support/fuzz/requests.ts';
import { V1_ROUTES } from '../support/fuzz/routes.ts';
import { SECRETS } from '../support/fuzz/secrets.ts';
import { type FuzzWorker, startFuzzWorker } from '../support/fuzz/turns.ts';
import { expectAllOrNothing } from '../support/fuzz/v1-answers.ts';
import { makeResources, startWorld, type World } from '../support/fuzz/world.ts';

/** Every route of the API against whatever may arrive. docs/reliability.md says how to run it for longer. */

let world: World;
let worker: FuzzWorker;
/** What there is to be read. */
let kept: Record<string, string>;

beforeAll(async () => {
  world = await startWorld();
  worker = await startFuzzWorker(world);
  kept = await makeResources(world.context, DEFAULT_WORKSPACE, 'ours');
  await world.stores.keepAll();
});

afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

it('knows every route of /v1', () => {
  // Making the routers asks nothing of what they will work with.
  const routes = routesOf(createApi({} as ApiDeps), ['/agents', '/environments', '/files', '/sessions']);
  expect(routes.length).toBeGreaterThan(20);
  expect(Object.keys(V1_ROUTES).toSorted()).toEqual(routes.toSorted());
});

async function ask(fuzzed: FuzzedRequest): Promise<WireAnswer> {
  const own = fuzzed.method === 'GET' ? kept : await makeResources(world.context, DEFAULT_WORKSPACE, 'ours');
  const ids = { ...world.foreign, ...own };
  const usual = { prefix: '/v1', headers: { 'x-api-key': SECRETS.api_key } };
  try {
    return await expectAllOrNothing({ world, worker, ids }, wireOf(fuzzed, ids, usual));
  } finally {
    await world.stores.forgetNew();
  }
}

describe.each(Object.entries(V1_ROUTES))('%s', (key, valid) => {
  it('is spoilt from requests that are valid, but where it says otherwise', async () => {
    for (const request of valid) {
      const answer = await ask(asItIs(key, request));
      expect(answer.status < 300 ? undefined : answer.status, answer.text).toBe(request.refused);
    }
  });

  it(
    'answers whatever arrives, and keeps all of it or nothing',
    async () => {
      await fc.assert(
        fc.asyncProperty(fuzzedRequests(key, valid), async (fuzzed) => expectPath(await ask(fuzzed), fuzzed)),
        cases(9),
      );
    },
    CASES_TIMEOUT_MS,
  );
});

/** Fields whose rules look at each other, so that a change in one may be reported at the other. */
const RELATED: Record<string, string[]> = { tools: ['mcp_servers'], mcp_servers: ['tools'] };

/** One field was spoilt: the message begins with where it is, or where what it belongs to is. */
function expectPath(answer: WireAnswer, { body, path, headers, query }: FuzzedRequest): void {
  const [change, ...others] = body?.changes ?? [];
  const isOnlyBody = path.every((id) => /^\{(session|agent|environment|resource)\}$/.test(id));
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
