import Anthropic from '@anthropic-ai/sdk';
import { expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { mongoGate, redisGate } from '../support/gate/gate.ts';
import { buildHouse, type HouseProcess } from '../support/house.ts';
import { openSession } from '../support/house-session.ts';
import { appends, keepsChatEvent } from '../support/kill/steps.ts';
import { linkTo } from '../support/link.ts';
import { startTestModel } from '../support/model.ts';
import { startSlackServer } from '../support/slack/server.ts';

/** A stop that waits for what it should have ended takes a minute here; a busy machine only takes a while. */
const PROMPTLY_MS = 30_000;

/** What a process that has ended wrote in its log with these words; it measures by itself how long it waited. */
async function lastWords(process: HouseProcess, msg: string): Promise<{ after_ms: number }> {
  await process.ended;
  const lines = process.output().split('\n');
  const [found = '{}'] = lines.filter((line) => line.includes(`"msg":"${msg}"`));
  return JSON.parse(found) as { after_ms: number };
}

/** What is not cut off by its own limit waits for the defaults, which are 20 s and more; a timer of a busy machine is a little late. */
const SOMETHING_ELSE_MS = 20_000;

function expectAtLimit(after_ms: number, limit: number): void {
  // A timer may be early by a fraction of a millisecond.
  expect(after_ms).toBeGreaterThanOrEqual(limit - 1);
  expect(after_ms).toBeLessThan(SOMETHING_ELSE_MS);
}

for (const [doing, during] of [
  ['Claude speaks', 'model'],
  ['a command runs', 'command'],
] as const) {
  test(`a worker that is stopped while ${doing} goes at once, and another goes on`, { timeout: 180_000 }, async () => {
    await using model = await startTestModel();
    // Neither a sweep nor the end of the drain can bring the session to the other worker: only being handed over does.
    const never = { DECKHAND_SWEEP_MS: '600000', DECKHAND_DRAIN_MS: '120000' };
    const services = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: model.base_url };
    await using house = await buildHouse({ ...services, ...never });
    const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
    const { say, events } = await openSession(house, gateway);

    const held = model.replyHeld({ text: 'one two three' });
    if (during === 'command') {
      held.release();
      model.reply({ tool_uses: [{ name: 'bash', input: { command: 'sleep 60' } }] });
    }
    await say('go');
    await held.asked;
    if (during === 'command') {
      await eventually(async () => {
        if (!(await events()).some((event) => event.type === 'session.status_idle')) throw new Error('Not answered');
      }, PROMPTLY_MS);
      await say('go');
      await eventually(async () => {
        if (!(await events()).some((event) => event.type === 'agent.tool_use')) throw new Error('Nothing runs');
      }, PROMPTLY_MS);
    }
    model.otherwise({ text: 'Went on.' });
    await house.start('worker');
    const started = performance.now();
    expect(await worker.stop()).toBe(0);
    expect(performance.now() - started).toBeLessThan(PROMPTLY_MS);
    held.release();
    await eventually(async () => {
      const all = await events();
      const said = all.filter((event) => event.type === 'agent.message' && JSON.stringify(event).includes('Went on.'));
      if (said.length !== 1 || all.at(-1)?.type !== 'session.status_idle')
        throw new Error(JSON.stringify(all, null, 1));
    }, PROMPTLY_MS);
  });
}

test('a worker whose turn comes to no safe point leaves after its drain, and another goes on as after a loss', {
  timeout: 180_000,
}, async () => {
  await using model = await startTestModel();
  await using mongo = await mongoGate(inject('mongodb_uri'));
  const services = { ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: model.base_url };
  await using house = await buildHouse(services);
  const [gateway, worker] = await Promise.all([
    house.start('gateway'),
    house.start('worker', { MONGODB_URI: mongo.uri, DECKHAND_DRAIN_MS: '200', DECKHAND_STOP_GRACE_MS: '60000' }),
  ]);
  const { say, events } = await openSession(house, gateway);
  // Its answer is on its way into the log, and never arrives.
  const held = mongo.holdRequest(appends('agent.message'));
  model.reply({ text: 'Nobody hears this.' });
  await say('go');
  await held.reached;
  model.otherwise({ text: 'Went on.' });
  await house.start('worker');
  expect(await worker.stop()).toBe(0);
  const cut = await lastWords(worker, 'turns were cut off at the end of the drain');
  expect(cut).toMatchObject({ turns: 1, drain_ms: 200 });
  expectAtLimit(cut.after_ms, 200);
  await eventually(async () => {
    const texts = (await events()).flatMap((event) => (event.type === 'agent.message' ? event.content : []));
    expect(texts).toMatchObject([{ text: 'Went on.' }]);
  }, PROMPTLY_MS);
});

test('a gateway that is stopped ends its open streams', { timeout: 180_000 }, async () => {
  await using house = await buildHouse();
  const gateway = await house.start('gateway');
  const client = new Anthropic({ baseURL: gateway.url, apiKey: house.api_key, maxRetries: 0 });
  const { agents, environments, sessions } = client.beta;
  const environment = await environments.create({ name: 'lab' });
  const agent = await agents.create({ name: 'tester', model: 'claude-sonnet-5-5' });
  const { id } = await sessions.create({ agent: agent.id, environment_id: environment.id });
  const { data: stream, response } = await sessions.events.stream(id).withResponse();
  // Else the client's next request might go into the connection that the stream leaves behind, and that is closed.
  expect(response.headers.get('connection')).toBe('close');
  // It is answered to the end: a client that was cut off would throw here.
  const ended = (async () => {
    for await (const _event of stream);
  })();
  await Promise.all([ended, gateway.stop().then((code) => expect(code).toBe(0))]);
});

test('a load balancer sees that a gateway leaves, while it is still served', { timeout: 180_000 }, async () => {
  await using house = await buildHouse({ DECKHAND_LEAVE_MS: '5000' });
  const gateway = await house.start('gateway');
  const ask = (path: string) => fetch(`${gateway.url}${path}`, { headers: { 'x-api-key': house.api_key } });
  expect((await ask('/readyz')).status).toBe(200);
  const left = gateway.stop();
  await eventually(async () => expect((await ask('/readyz')).status).toBe(503));
  expect((await ask('/healthz')).status).toBe(200);
  const answer = await ask('/v1/agents');
  expect({ status: answer.status, connection: answer.headers.get('connection') }).toEqual({
    status: 200,
    connection: 'close',
  });
  expect(await left).toBe(0);
  await expect(ask('/healthz')).rejects.toThrow();
});

/** Slack, and a gateway of its own behind a gate before MongoDB. */
async function startWithSlack(env: Record<string, string> = {}) {
  const slack = await startSlackServer();
  const mongo = await mongoGate(inject('mongodb_uri'));
  const house = await buildHouse({
    SLACK_BOT_TOKEN: slack.tokens.bot,
    SLACK_API_URL: slack.apiUrl,
    SLACK_SIGNING_SECRET: slack.tokens.signing_secret,
    ...env,
  });
  return {
    slack,
    mongo,
    house,
    gateway: await house.start('gateway', { MONGODB_URI: mongo.uri }),
    deliverTo: (url: string) => slack.deliverTo(`${url}/slack/events`),
    async [Symbol.asyncDispose]() {
      await house[Symbol.asyncDispose]();
      await mongo[Symbol.asyncDispose]();
      await slack[Symbol.asyncDispose]();
    },
  };
}

for (const [what, step, acked] of [
  ['not kept', keepsChatEvent, false],
  ['kept and not in the log', appends('user.message'), true],
] as const) {
  test(`a gateway ends with 0 although a chat event hangs, ${what}, and another applies it`, {
    timeout: 180_000,
  }, async () => {
    await using scene = await startWithSlack({ DECKHAND_STOP_GRACE_MS: '6000' });
    const { slack, mongo, house, gateway } = scene;
    scene.deliverTo(gateway.url);
    const held = mongo.holdRequest(step);
    slack.user('Ana').mention('ops', 'hello');
    await held.reached;
    const next = await house.start('gateway');
    expect(await gateway.stop()).toBe(0);
    await slack.outbox.idle();
    expect(slack.outbox.attempts.every((attempt) => attempt.acked)).toBe(acked);
    scene.deliverTo(next.url);
    await slack.clock.advance(60_000);
    const inbound = house.database.db.collection('inbound');
    await eventually(async () => {
      expect(
        await inbound
          .find()
          .map(({ state }) => state)
          .toArray(),
      ).toEqual(['applied']);
    }, PROMPTLY_MS);
    expect(await house.database.db.collection('sessions').countDocuments()).toBe(1);
  });
}

test('a stop that hangs ends at its deadline, with code 1', { timeout: 180_000 }, async () => {
  await using redis = await redisGate(inject('redis_url'));
  await using house = await buildHouse({
    REDIS_URL: redis.uri,
    DECKHAND_DRAIN_MS: '100',
    DECKHAND_STOP_GRACE_MS: '500',
  });
  const worker = await house.start('worker');
  // It tells Redis that it listens no more, and Redis never takes note.
  const held = redis.holdRequest(({ name }) => name === 'UNSUBSCRIBE');
  const stopped = worker.stop();
  await held.reached;
  expect(await stopped).toBe(1);
  const cut = await lastWords(worker, 'the stop hung and was cut off');
  expect(cut).toMatchObject({ leave_ms: 0, drain_ms: 100, stop_grace_ms: 500 });
  expectAtLimit(cut.after_ms, 600);
});

test('without MongoDB a gateway is not ready, and alive', { timeout: 180_000 }, async () => {
  await using mongo = await linkTo(inject('mongodb_uri'));
  await using house = await buildHouse({ MONGODB_URI: mongo.uri });
  const gateway = await house.start('gateway');
  const status = async (path: string) => (await fetch(`${gateway.url}${path}`)).status;
  expect(await status('/readyz')).toBe(200);
  mongo.cut();
  await eventually(async () => expect(await status('/readyz')).toBe(503));
  expect(await status('/healthz')).toBe(200);
  mongo.mend();
  await eventually(async () => expect(await status('/readyz')).toBe(200), PROMPTLY_MS);
});

test('a worker says how it is on a port of its own, also while it ends what runs', { timeout: 180_000 }, async () => {
  await using redis = await redisGate(inject('redis_url'));
  await using house = await buildHouse({ DECKHAND_HEALTH_PORT: '0', REDIS_URL: redis.uri });
  const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
  // It says so where it serves.
  expect(gateway.health_url).toBe('');
  const ask = async (path: string) => (await fetch(`${worker.health_url}${path}`)).status;
  expect(await ask('/readyz')).toBe(200);
  expect(await ask('/healthz')).toBe(200);

  const held = redis.holdRequest(({ name }) => name === 'UNSUBSCRIBE');
  const left = worker.stop();
  await held.reached;
  expect(await ask('/readyz')).toBe(503);
  expect(await ask('/healthz')).toBe(200);
  held.release();
  expect(await left).toBe(0);
  await expect(ask('/healthz')).rejects.toThrow();
});
