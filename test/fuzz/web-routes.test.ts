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
import { routesOf } from '../support/fuzz/express-routes.ts';
import { send, type WireAnswer } from '../support/fuzz/http.ts';
import { expectCleanLog } from '../support/fuzz/logged.ts';
import { asItIs, type FuzzedRequest, fuzzedRequests, wireOf } from '../support/fuzz/requests.ts';
import { WEB_ROUTES } from '../support/fuzz/routes.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { changedBetween, expectNoOperators } from '../support/fuzz/store-watch.ts';
import { type FuzzWorker, startFuzzWorker } from '../support/fuzz/turns.ts';
import { expectDelivered, makeConversation, newCookie } from '../support/fuzz/web-ids.ts';
import { startWorld, type World } from '../support/fuzz/world.ts';
import { createWebClient, type WebClient } from '../support/web-client.ts';

/** Every route of the page against whatever may arrive, signed in and not. */

let world: World;
let worker: FuzzWorker;
let web: WebClient;
/** A conversation for what changes none. */
let kept: Record<string, string>;

beforeAll(async () => {
  // What is to be shown is shown also where the word of it was lost.
  world = await startWorld({ env: { DECKHAND_SWEEP_MS: '500' } });
  worker = await startFuzzWorker(world);
  web = createWebClient(world.url);
  await web.signIn('Ana', SECRETS.api_key);
  kept = await makeConversation({ world, worker, web }, true);
  await world.stores.keepAll();
});

afterAll(async () => {
  await worker[Symbol.asyncDispose]();
  await world[Symbol.asyncDispose]();
});

it('knows every route of the page', () => {
  const deps = {} as WebDeps;
  const routers = [createSessionRouter, createConversationRouter, createMessageRouter].map((create) => create(deps));
  const all = Router().use(...routers, createStreamRouter(deps, new Set()));
  expect(Object.keys(WEB_ROUTES).toSorted()).toEqual(routesOf(all).toSorted());
});

async function ask(key: string, fuzzed: FuzzedRequest): Promise<WireAnswer> {
  const changes = /^POST .*(messages|decisions|stop)$/.test(key);
  const ids = changes ? await makeConversation({ world, worker, web }, key.endsWith('/decisions')) : kept;
  // Of its own: a request may end it.
  const cookie = await newCookie(world);
  const before = await world.stores.look();
  const usual = { prefix: '/web', headers: { cookie, origin: world.url } };
  try {
    const answer = await send(world.url, wireOf(fuzzed, ids, usual));
    await check(answer, fuzzed, before);
    if (answer.status < 300 && changes) await expectGoodForTurns(ids);
    expectCleanLog(world.takeLog());
    return answer;
  } finally {
    await world.stores.forgetNew();
  }
}

/** Whatever was done in the conversation: its session takes it up, hears what is said next, and both are shown. */
async function expectGoodForTurns({ session = '', conversation = '' }: Record<string, string>): Promise<void> {
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id: session };
  await worker.settle(ref);
  await web.say(conversation, 'Are you there?');
  await worker.settle(ref);
  await expectDelivered(world);
}

describe.each(Object.entries(WEB_ROUTES))('%s', (key, valid) => {
  it('is spoilt from requests that are valid', async () => {
    for (const request of valid) {
      const answer = await ask(key, asItIs(key, request));
      expect(answer.status, answer.text).toBeLessThan(300);
    }
  });

  it(
    'answers whatever arrives, and keeps all of it or nothing',
    async () => {
      await fc.assert(
        fc.asyncProperty(fuzzedRequests(key, valid), async (fuzzed) => {
          await ask(key, fuzzed);
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
      const path = first.path?.map(() => 'conv_0123456789abcdef0123456789abcdef');
      const fuzzed = asItIs(key, { ...first, ...(path && { path }) });
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
