import { setImmediate as breathe } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { fold } from '../../src/session/state.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { eventually } from '../support/eventually.ts';
import { encoded, filled, send, type WireAnswer } from '../support/fuzz/http.ts';
import { expectCleanLog } from '../support/fuzz/logged.ts';
import { mutants } from '../support/fuzz/mutate.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { SLACK_PAYLOADS, type SlackPayload } from '../support/fuzz/slack-payloads.ts';
import { changedBetween, expectNoOperators } from '../support/fuzz/store-watch.ts';
import { askPeople, startWorld, type World } from '../support/fuzz/world.ts';
import { signed } from '../support/slack/http-delivery.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';

/** Everything that Slack could send, and what others could send in its name, over HTTP and over the socket. */

/** An acknowledgement that comes at all comes within this, however busy the machine is. */
const PATIENCE_MS = 25_000;

let slack: SlackServer;
let nonce = Date.now() / 1_000;

const tokens = {
  bot: SECRETS.slack_bot_token,
  app: SECRETS.slack_app_token,
  signing_secret: SECRETS.slack_signing_secret,
};

beforeAll(async () => {
  slack = await startSlackServer(tokens);
  const kinds = { C0OPS: 'channel', D0ANA: 'im' } as const;
  for (const [id, kind] of Object.entries(kinds)) {
    const members = new Set(['U0ANA', slack.workspace.bot_user_id]);
    slack.workspace.channels.set(id, { id, name: id.toLowerCase(), kind, members, is_archived: false });
  }
});

afterAll(async () => {
  await slack[Symbol.asyncDispose]();
});

function startSlackWorld(mode: 'http' | 'socket'): Promise<World> {
  return startWorld({
    env: {
      SLACK_BOT_TOKEN: tokens.bot,
      SLACK_API_URL: slack.apiUrl,
      ...(mode === 'http' ? { SLACK_SIGNING_SECRET: tokens.signing_secret } : { SLACK_APP_TOKEN: tokens.app }),
    },
  });
}

function bodyOf(type: SlackPayload['type'], json: string): { body: string; content_type: string } {
  if (type === 'events_api') return { body: json, content_type: 'application/json' };
  const content_type = 'application/x-www-form-urlencoded';
  if (type === 'interactive') return { body: `payload=${encoded(json)}`, content_type };
  const fields = Object.entries(jsonOf(json) ?? {});
  return {
    body: fields
      .map(([key, value]) => `${encoded(key)}=${encoded(typeof value === 'object' ? '{}' : String(value))}`)
      .join('&'),
    content_type,
  };
}

function jsonOf(json: string): object | null {
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}

interface Seal {
  secret?: string;
  timestamp?: string;
  signature?: string | null;
}

function deliver(url: string, { body, content_type }: { body: string; content_type: string }, seal: Seal = {}) {
  const timestamp = seal.timestamp ?? String(Math.floor(Date.now() / 1_000));
  const signature = seal.signature ?? signed(seal.secret ?? tokens.signing_secret, body, Number(timestamp));
  const headers: Record<string, string> = { 'content-type': content_type, 'x-slack-request-timestamp': timestamp };
  if (seal.signature !== null) headers['x-slack-signature'] = signature;
  return send(url, { method: 'POST', path: '/slack/events', headers, body });
}

type Hear = (payload: SlackPayload, json: string) => Promise<unknown>;

/** This run's ids, with a thread and a question in it when they are asked for. */
function makeIds(world: World, hear: Hear, json: string): Promise<Record<string, string>> {
  if (/\{(thread|approval)\}/.test(json)) return makeThread(world, hear);
  nonce += 1;
  return Promise.resolve({ nonce: nonce.toFixed(6), ...world.foreign });
}

async function makeThread(world: World, hear: Hear): Promise<Record<string, string>> {
  nonce += 1;
  const thread = `${nonce.toFixed(6)}`;
  const mention = SLACK_PAYLOADS['a mention'] ?? fail('no mention');
  await hear(mention, filled(JSON.stringify(mention.payload), { nonce: thread }));
  await expectApplied(world);
  const session_id = await eventually(async () => {
    const { items } = await world.context.sessions.list(DEFAULT_WORKSPACE, { limit: 1 });
    return items[0]?._id ?? fail('no session');
  });
  const { approval } = await askPeople(world.context, { workspace_id: DEFAULT_WORKSPACE, session_id }, 'ours');
  nonce += 1;
  return { nonce: nonce.toFixed(6), thread, approval, ...world.foreign };
}

function fail(reason: string): never {
  throw new Error(reason);
}

/** Whatever was acknowledged is applied soon. */
function expectApplied(world: World): Promise<Map<string, string>> {
  return eventually(async () => {
    const stored = await world.stores.look();
    for (const [name, text] of stored) {
      if (name.startsWith('inbound/')) expect(JSON.parse(text), text).toMatchObject({ state: 'applied' });
    }
    return stored;
  }, PATIENCE_MS);
}

/** It is applied, and every session holds what it was made for. */
async function expectWhole(world: World): Promise<void> {
  expectNoOperators(await expectApplied(world));
  const { items } = await world.context.sessions.list(DEFAULT_WORKSPACE, { limit: 100, include_archived: true });
  for (const { _id, workspace_id } of items) {
    const state = fold(await world.context.log.read({ workspace_id, session_id: _id }));
    expect(state.seq).toBeGreaterThan(0);
  }
  // A post to a channel that a mutation made up is refused, and says so.
  expectCleanLog(world.takeLog(), (line) => line.includes('platform refused'));
}

const anyPayload = fc.constantFrom(...Object.keys(SLACK_PAYLOADS)).chain((name) => {
  const valid = SLACK_PAYLOADS[name] ?? fail(name);
  return fc.record({ name: fc.constant(name), type: fc.constant(valid.type), mutant: mutants(valid.payload) });
});

describe('over HTTP', () => {
  let world: World;

  beforeAll(async () => {
    world = await startSlackWorld('http');
  });

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  const hear = (payload: SlackPayload, json: string) => deliver(world.url, bodyOf(payload.type, json));

  it.each(Object.entries(SLACK_PAYLOADS))('%s is acknowledged', async (_name, valid) => {
    const json = JSON.stringify(valid.payload);
    const answer = await hear(valid, filled(json, await makeIds(world, hear, json)));
    expect(answer.status).toBe(200);
    await expectWhole(world);
    await world.stores.forgetNew();
  });

  it(
    'whatever is signed is acknowledged and kept, or refused and left out',
    async () => {
      await fc.assert(
        fc.asyncProperty(anyPayload, async ({ type, mutant }) => {
          const ids = await makeIds(world, hear, mutant.json);
          const before = await world.stores.look();
          const answer = await deliver(world.url, bodyOf(type, filled(mutant.json, ids)));
          expect(answer.status).toSatisfy((status: number) => status === 200 || (status >= 400 && status < 500));
          expectNoSecret(answer.text, 'the answer');
          if (answer.status !== 200) expect(changedBetween(before, await world.stores.look())).toEqual([]);
          await expectWhole(world);
          await world.stores.forgetNew();
        }),
        cases(30),
      );
    },
    CASES_TIMEOUT_MS,
  );

  describe('what Slack did not sign', () => {
    const body = () =>
      bodyOf('events_api', filled(JSON.stringify(SLACK_PAYLOADS['a mention']?.payload), { nonce: '7.7' }));

    async function expectForged(answer: Promise<WireAnswer>): Promise<void> {
      expect((await answer).status).toBe(401);
    }

    it.each<[string, Seal]>([
      ['with another secret', { secret: 'another' }],
      ['without a signature', { signature: null }],
      ['with an empty signature', { signature: '' }],
      ['with a short one', { signature: 'v0=00' }],
      ['with a long one', { signature: `v0=${'0'.repeat(10_000)}` }],
      ['with one that is no pair', { signature: 'v0' }],
      ['with several parts', { signature: '=v0=v0=' }],
      ['too late', { timestamp: String(Math.floor(Date.now() / 1_000) - 301) }],
      ['at no time', { timestamp: 'now' }],
      ['at an empty time', { timestamp: '' }],
    ])('%s is refused', async (_how, seal) => {
      const before = await world.stores.look();
      await expectForged(deliver(world.url, body(), seal));
      expect(changedBetween(before, await world.stores.look())).toEqual([]);
    });

    it(
      'is refused whatever it says',
      async () => {
        const seal = fc.record({ signature: fc.oneof(fc.string(), fc.stringMatching(/^v[0-9]=[0-9a-f]{64}$/)) });
        const before = await world.stores.look();
        await fc.assert(
          fc.asyncProperty(anyPayload, seal, async ({ type, mutant }, { signature }) => {
            const safe = signature.replace(/[^\u0020-\u007e]/g, '?').trim();
            await expectForged(deliver(world.url, bodyOf(type, mutant.json), { signature: safe }));
          }),
          cases(20),
        );
        expect(changedBetween(before, await world.stores.look())).toEqual([]);
      },
      CASES_TIMEOUT_MS,
    );

    it('is refused when a single byte was changed on the way, and has one effect when it is sent again', async () => {
      await world.stores.forgetNew();
      const sent = body();
      const timestamp = String(Math.floor(Date.now() / 1_000));
      const signature = signed(tokens.signing_secret, sent.body, Number(timestamp));
      const changed = { ...sent, body: sent.body.replace('deploy', 'delete') };
      await expectForged(deliver(world.url, changed, { timestamp, signature }));
      for (let time = 0; time < 3; time++) {
        expect((await deliver(world.url, sent, { timestamp, signature })).status).toBe(200);
      }
      await expectWhole(world);
      const { items } = await world.context.sessions.list(DEFAULT_WORKSPACE, { limit: 10 });
      const [ref, ...others] = items.map(({ _id, workspace_id }) => ({ workspace_id, session_id: _id }));
      expect(others).toEqual([]);
      const entries = await world.context.log.read(ref ?? fail('no session'));
      expect(entries.filter(({ event }) => event.type === 'user.message')).toHaveLength(1);
    });

    it('is not read beyond a few megabytes', async () => {
      const large = { body: 'x'.repeat(5 * 1024 * 1024), content_type: 'application/json' };
      expect((await deliver(world.url, large, { signature: 'v0=0' })).status).toBe(413);
    });
  });
});

describe('over the socket', () => {
  let world: World;

  beforeAll(async () => {
    world = await startSlackWorld('socket');
  });

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  const hear = ({ type }: SlackPayload, json: string) =>
    slack.sockets.send({ type, payload: jsonOf(json) }, PATIENCE_MS);

  it(
    'whatever is sent is acknowledged',
    async () => {
      await fc.assert(
        fc.asyncProperty(anyPayload, async ({ type, mutant }) => {
          const ids = await makeIds(world, hear, mutant.json);
          const payload = jsonOf(filled(mutant.json, ids));
          // No WebSocket library of Slack's writes thousands of levels.
          fc.pre(payload !== null && !/[[{]{5000}|({"a":){5000}/.test(mutant.json));
          expect(await slack.sockets.send({ type, payload }, PATIENCE_MS)).toMatchObject({ acked: true });
          await expectWhole(world);
          await world.stores.forgetNew();
        }),
        cases(20),
      );
    },
    CASES_TIMEOUT_MS,
  );

  it(
    'survives envelopes that are none',
    async () => {
      const envelope = {
        envelope_id: 'e1',
        type: 'events_api',
        accepts_response_payload: false,
        payload: SLACK_PAYLOADS['a mention']?.payload,
      };
      await fc.assert(
        fc.asyncProperty(mutants(envelope), async ({ json }) => {
          await slack.sockets.sendText(filled(json, { nonce: '5.5' }));
          await breathe();
        }),
        cases(60),
      );
      // Whatever those did to the connection, the next event is heard.
      await makeThread(world, hear);
      expectCleanLog(world.takeLog());
    },
    CASES_TIMEOUT_MS,
  );
});

describe('found by the above', () => {
  it('an envelope without an event does not end the process, nor one that has the name of a state', async () => {
    await using world = await startSlackWorld('socket');
    const rejections: unknown[] = [];
    const note = (reason: unknown) => void rejections.push(reason);
    process.on('unhandledRejection', note);
    const noEvent = { envelope_id: 'e1', type: 'events_api', payload: {} };
    const state = { ...noEvent, payload: { event: { type: 'disconnected' } } };
    for (const text of ['null', '[]', '{', JSON.stringify(noEvent), JSON.stringify(state)]) {
      await slack.sockets.sendText(text);
    }
    await makeThread(world, ({ type }, json) => slack.sockets.send({ type, payload: jsonOf(json) }, PATIENCE_MS));
    expect(rejections).toEqual([]);
    expect(slack.sockets.size).toBe(1);
    process.off('unhandledRejection', note);
  });
});
