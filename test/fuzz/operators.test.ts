import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { send, type WireAnswer } from '../support/fuzz/http.ts';
import { expectCleanLog } from '../support/fuzz/logged.ts';
import { OPERATORS } from '../support/fuzz/odd-values.ts';
import { withOperatorNames, withOperators } from '../support/fuzz/operators.ts';
import { type FuzzedRequest, wireOf } from '../support/fuzz/requests.ts';
import { V1_ROUTES, type ValidRequest, WEB_ROUTES } from '../support/fuzz/routes.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { changedBetween, expectNoOperators } from '../support/fuzz/store-watch.ts';
import { startFuzzWorker } from '../support/fuzz/turns.ts';
import { makeConversation, newCookie } from '../support/fuzz/web-ids.ts';
import { makeResources, startWorld, type World } from '../support/fuzz/world.ts';
import { createWebClient } from '../support/web-client.ts';

/** MongoDB's operators in every place of every route's requests where a text belongs: none by chance, and none left out. */

let world: World;
/** What the placeholders of each stand for. */
let ids: Record<Place['prefix'], Record<string, string>>;
let cookie: string;

beforeAll(async () => {
  world = await startWorld();
  const web = createWebClient(world.url);
  await web.signIn('Ana', SECRETS.api_key);
  cookie = await newCookie(world);
  await using worker = await startFuzzWorker(world);
  ids = {
    '/v1': { ...world.foreign, ...(await makeResources(world.context, DEFAULT_WORKSPACE, 'ours')) },
    '/web': await makeConversation({ world, worker, web }, true),
  };
  await world.stores.keepAll();
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

interface Place {
  prefix: '/v1' | '/web';
  key: string;
  valid: ValidRequest;
}

const all = (prefix: Place['prefix'], routes: Record<string, ValidRequest[]>): Array<[string, Place]> =>
  Object.entries(routes).flatMap(([key, requests]) =>
    requests.map((valid, index): [string, Place] => [`${prefix} ${key} (${index})`, { prefix, key, valid }]),
  );

function ask(prefix: Place['prefix'], request: FuzzedRequest): Promise<WireAnswer> {
  const headers = { '/v1': { 'x-api-key': SECRETS.api_key }, '/web': { cookie, origin: world.url } }[prefix];
  return send(world.url, wireOf(request, ids[prefix], { prefix, headers }));
}

/** Names and values of a JSON Schema are its author's, and kept as they are. */
const isFree = (at: string) => at.includes('input_schema.properties');

/** A place in a list that is none is its beginning to the page. */
const isForgiven = (key: string, at: string) => key === 'GET /conversations' && at === 'query before';

/** Nothing that there is, as a list or a page says it. */
const nothing = expect.objectContaining({ data: [] });

describe.each([...all('/v1', V1_ROUTES), ...all('/web', WEB_ROUTES)])('%s', (_name, { prefix, key, valid }) => {
  it('takes no operator for a text', async () => {
    const before = await world.stores.look();
    const freely: string[] = [];
    for (const { at, operator, request } of withOperators(key, valid)) {
      const answer = await ask(prefix, request);
      const where = `${operator} at ${at}: ${answer.status} ${answer.text.slice(0, 300)}`;
      expectNoSecret(answer.text, where);
      if (isFree(at)) freely.push(at);
      else if (isForgiven(key, at)) expect(answer.status, where).toBe(200);
      else if (answer.status < 300) expect([at.split(' ')[0], answer.json], where).toEqual(['query', nothing]);
      else expect(answer.status, where).toSatisfy((status: number) => status >= 400 && status < 500);
    }
    const after = await world.stores.look();
    expectNoOperators(after);
    if (freely.length === 0) expect(changedBetween(before, after)).toEqual([]);
    await world.stores.forgetNew();
    expectCleanLog(world.takeLog());
  });

  it.runIf(valid.query)('knows no operator as a part of a name', async () => {
    for (const { at, request, without } of withOperatorNames(key, valid)) {
      const [answer, plain] = await Promise.all([ask(prefix, request), ask(prefix, without)]);
      expect([answer.status, timeless(answer)], at).toEqual([plain.status, timeless(plain)]);
    }
    expectCleanLog(world.takeLog());
  });
});

/** Without what is another every time. */
function timeless({ json }: WireAnswer): unknown {
  const own = new Set(['request_id', 'stats']);
  return JSON.parse(JSON.stringify(json ?? null, (name, value) => (own.has(name) ? null : value)));
}

it.each(OPERATORS)('lets nobody in with %s', async (operator) => {
  const asked = [
    { path: '/v1/agents', headers: { 'x-api-key': operator } },
    { path: '/v1/agents', headers: { authorization: `Bearer ${operator}` } },
    { path: '/web/conversations', headers: { cookie: `deckhand_session=${operator}` } },
    { path: '/web/conversations', headers: { cookie: `deckhand_session[${operator}]=x` } },
  ];
  for (const request of asked) expect((await send(world.url, { method: 'GET', ...request })).status).toBe(401);
});
