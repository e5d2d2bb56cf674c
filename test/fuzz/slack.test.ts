import { setImmediate as breathe } from 'node:timers/promises';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { filled, type WireAnswer } from '../support/fuzz/http.ts';
import { expectCleanLog } from '../support/fuzz/logged.ts';
import { mutants } from '../support/fuzz/mutate.ts';
import { OPERATORS } from '../support/fuzz/odd-values.ts';
import { withOperatorIn } from '../support/fuzz/operators.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { SLACK_PAYLOADS, type SlackPayload } from '../support/fuzz/slack-payloads.ts';
import {
  bodyOf,
  deliver,
  jsonOf,
  PATIENCE_MS,
  type Seal,
  type SlackWorld,
  startFuzzedSlack,
  startSlackWorld,
} from '../support/fuzz/slack-world.ts';
import { changedBetween } from '../support/fuzz/store-watch.ts';
import { signed } from '../support/slack/http-delivery.ts';
import type { SlackServer } from '../support/slack/server.ts';

/** Everything that Slack could send, and what others could send in its name, over HTTP and over the socket. */

let slack: SlackServer;

beforeAll(async () => {
  slack = await startFuzzedSlack();
});

afterAll(async () => {
  await slack[Symbol.asyncDispose]();
});

function fail(reason: string): never {
  throw new Error(reason);
}

const anyPayload = fc.constantFrom(...Object.keys(SLACK_PAYLOADS)).chain((name) => {
  const valid = SLACK_PAYLOADS[name] ?? fail(name);
  return fc.record({ name: fc.constant(name), type: fc.constant(valid.type), mutant: mutants(valid.payload) });
});

describe('over HTTP', () => {
  let world: SlackWorld;

  beforeAll(async () => {
    world = await startSlackWorld(slack, 'http');
  });

  afterAll(async () => {
    await world[Symbol.asyncDispose]();
  });

  const hear = (payload: SlackPayload, json: string) => deliver(world.url, bodyOf(payload.type, json));

  it.each(Object.entries(SLACK_PAYLOADS))('%s is acknowledged', async (_name, valid) => {
    const json = JSON.stringify(valid.payload);
    const answer = await hear(valid, filled(json, await world.makeIds(hear, json)));
    expect(answer.status).toBe(200);
    await world.expectWhole();
    await world.stores.forgetNew();
  });

  function expectAnswered({ status, text }: WireAnswer): void {
    expect(status, text).toSatisfy((code: number) => code === 200 || (code >= 400 && code < 500));
    expectNoSecret(text, 'the answer');
  }

  it.each(Object.entries(SLACK_PAYLOADS))(
    '%s with anything in it is acknowledged and kept, or refused and left out',
    async (_name, { type, payload }) => {
      await fc.assert(
        fc.asyncProperty(mutants(payload), async ({ json }) => {
          const ids = await world.makeIds(hear, json);
          const before = await world.stores.look();
          const answer = await deliver(world.url, bodyOf(type, filled(json, ids)));
          expectAnswered(answer);
          if (answer.status !== 200) expect(changedBetween(before, await world.stores.look())).toEqual([]);
          await world.expectWhole();
          await world.stores.forgetNew();
        }),
        cases(2),
      );
    },
    CASES_TIMEOUT_MS,
  );

  it.each(Object.entries(SLACK_PAYLOADS))(
    '%s takes no operator of MongoDB for a text, wherever it stands',
    async (_name, { type, payload }) => {
      const ids = await world.makeIds(hear, JSON.stringify(payload));
      for (const operator of OPERATORS) {
        for (const { json } of withOperatorIn(payload, operator)) {
          expectAnswered(await deliver(world.url, bodyOf(type, filled(json, ids))));
        }
      }
      await world.expectWhole();
      await world.stores.forgetNew();
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
      const signature = signed(SECRETS.slack_signing_secret, sent.body, Number(timestamp));
      const changed = { ...sent, body: sent.body.replace('deploy', 'delete') };
      await expectForged(deliver(world.url, changed, { timestamp, signature }));
      for (let time = 0; time < 3; time++) {
        expect((await deliver(world.url, sent, { timestamp, signature })).status).toBe(200);
      }
      await world.expectWhole();
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
  let world: SlackWorld;

  beforeAll(async () => {
    world = await startSlackWorld(slack, 'socket');
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
          const ids = await world.makeIds(hear, mutant.json);
          const payload = jsonOf(filled(mutant.json, ids));
          // No WebSocket library of Slack's writes thousands of levels.
          fc.pre(payload !== null && !/[[{]{5000}|({"a":){5000}/.test(mutant.json));
          expect(await slack.sockets.send({ type, payload }, PATIENCE_MS)).toMatchObject({ acked: true });
          await world.expectWhole();
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
      await world.makeIds(hear, '{thread}');
      expectCleanLog(world.takeLog());
    },
    CASES_TIMEOUT_MS,
  );
});

describe('found by the above', () => {
  it('an envelope without an event does not end the process, nor one that has the name of a state', async () => {
    await using world = await startSlackWorld(slack, 'socket');
    const rejections: unknown[] = [];
    const note = (reason: unknown) => void rejections.push(reason);
    process.on('unhandledRejection', note);
    const noEvent = { envelope_id: 'e1', type: 'events_api', payload: {} };
    const state = { ...noEvent, payload: { event: { type: 'disconnected' } } };
    for (const text of ['null', '[]', '{', JSON.stringify(noEvent), JSON.stringify(state)]) {
      await slack.sockets.sendText(text);
    }
    await world.makeIds(
      ({ type }, json) => slack.sockets.send({ type, payload: jsonOf(json) }, PATIENCE_MS),
      '{thread}',
    );
    expect(rejections).toEqual([]);
    expect(slack.sockets.size).toBe(1);
    process.off('unhandledRejection', note);
  });
});
