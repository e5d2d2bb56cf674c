import { Router } from 'express';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createConversationRouter } from '../../connectors/web/conversation-routes.ts';
import { createMessageRouter } from '../../connectors/web/message-routes.ts';
import { createSessionRouter } from '../../connectors/web/session-routes.ts';
import { createStreamRouter } from '../../connectors/web/stream-routes.ts';
import type { WebDeps } from '../../connectors/web/web-deps.ts';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { eventually } from '../support/eventually.ts';
import { routesOf } from '../support/fuzz/express-routes.ts';
import { send, type WireAnswer } from '../support/fuzz/http.ts';
import { type FuzzedRequest, fuzzedRequests, wireOf } from '../support/fuzz/requests.ts';
import { WEB_ROUTES } from '../support/fuzz/routes.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { changedBetween, expectNoOperators } from '../support/fuzz/store-watch.ts';
import { askPeople, startWorld, type World } from '../support/fuzz/world.ts';
import { createWebClient, nextClientId, type WebClient } from '../support/web-client.ts';

/** Every route of the page against whatever may arrive, signed in and not. */

let world: World;
let web: WebClient;
let cookie: string;

beforeAll(async () => {
  world = await startWorld();
  web = createWebClient(world.url);
  await web.signIn('Ana', SECRETS.api_key);
  const answer = await send(world.url, {
    method: 'POST',
    path: '/web/session',
    headers: { origin: world.url, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'Ana', key: SECRETS.api_key }),
  });
  cookie = answer.headers['set-cookie']?.[0]?.split(';')[0] ?? '';
  await world.stores.keepAll();
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

it('knows every route of the page', () => {
  const deps = {} as WebDeps;
  const routers = [createSessionRouter, createConversationRouter, createMessageRouter].map((create) => create(deps));
  const all = Router().use(...routers, createStreamRouter(deps, new Set()));
  expect(Object.keys(WEB_ROUTES).toSorted()).toEqual(routesOf(all).toSorted());
});

/** A conversation in which somebody was answered with a question. */
async function makeIds(withCard: boolean): Promise<Record<string, string>> {
  const { id: conversation } = await web.begin();
  await web.say(conversation, 'hello');
  const ids = { ...world.foreign, conversation, client: nextClientId(), key: SECRETS.api_key };
  const { items } = await world.context.sessions.list(DEFAULT_WORKSPACE, { limit: 1 });
  const session = items[0]?._id ?? '';
  if (!withCard) return { ...ids, session };
  const { approval } = await askPeople(world.context, { workspace_id: DEFAULT_WORKSPACE, session_id: session }, 'ours');
  await eventually(async () => {
    expect((await web.open(conversation)).conversation.waiting).toBe(1);
    // Nothing is on its way to the page any more.
    expect(await world.context.log.undelivered(1)).toEqual([]);
  });
  return { ...ids, session, approval };
}

describe.each(Object.entries(WEB_ROUTES))('%s', (key, valid) => {
  it(
    'answers whatever arrives, and keeps all of it or nothing',
    async () => {
      await fc.assert(
        fc.asyncProperty(fuzzedRequests(key, valid), async (fuzzed) => {
          const ids = await makeIds(key.endsWith('/decisions'));
          const before = await world.stores.look();
          const usual = { prefix: '/web', headers: { cookie, origin: world.url } };
          const answer = await send(world.url, wireOf(fuzzed, ids, usual));
          await check(answer, fuzzed, before);
          await world.stores.forgetNew();
        }),
        cases(6),
      );
    },
    CASES_TIMEOUT_MS,
  );

  it('is closed to who is not signed in', async () => {
    // These are how one comes in.
    if (key.endsWith(' /session')) return;
    const before = await world.stores.look();
    for (const given of [
      '',
      'deckhand_session=',
      'deckhand_session=__proto__',
      `deckhand_session=${'x'.repeat(4000)}`,
    ]) {
      const [first = {}] = valid;
      const plain = { method: '', route: '', id: '', headers: {}, query: Object.entries(first.query ?? {}) };
      const body = first.body === undefined ? null : { json: JSON.stringify(first.body), changes: [] };
      const [method = '', route = ''] = key.split(' ');
      const fuzzed = { ...plain, method, route, id: 'conv_0123456789abcdef0123456789abcdef', body };
      const usual = { prefix: '/web', headers: { cookie: given, origin: world.url } };
      expect((await send(world.url, wireOf(fuzzed, {}, usual))).status).toBe(401);
    }
    expect(changedBetween(before, await world.stores.look())).toEqual([]);
  });
});

async function check(answer: WireAnswer, fuzzed: FuzzedRequest, before: Map<string, string>): Promise<void> {
  const after = await world.stores.look();
  expect(answer.status, answer.text).toSatisfy(
    (status: number) => (status >= 200 && status < 300) || status === 304 || (status >= 400 && status < 500),
  );
  expectNoSecret(answer.text, 'the answer');
  const log = world.takeLog();
  expectNoSecret(log, 'the log');
  expect(log.split('\n').filter((line) => /"level":(50|60)/.test(line))).toEqual([]);
  expectNoOperators(after);
  if (answer.status >= 400) {
    if (answer.status !== 417) {
      expect(answer.json, answer.text).toMatchObject({
        error: { code: expect.any(String), message: expect.any(String) },
      });
    }
    expect(changedBetween(before, after), 'a refused request left something').toEqual([]);
    return;
  }
  for (const [name, text] of after) {
    if (name.startsWith('web_messages/')) expect(JSON.parse(text), text).toMatchObject({ received: true });
    if (name.startsWith('inbound/')) expect(JSON.parse(text), text).toMatchObject({ state: 'applied' });
  }
  const { route, method } = fuzzed;
  if (method === 'POST' && route.endsWith('/messages')) {
    const { message } = answer.json as { message: { conversation_id: string; id: string } };
    const stored = after.get(`web_messages/${message.id}`) ?? '{}';
    expect(JSON.parse(stored)).toMatchObject({ body: (answer.json as { message: { body: object } }).message.body });
  }
}
