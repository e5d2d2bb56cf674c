import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startEmbeddedRedis } from '../../src/embedded/redis.ts';
import { silentLogger } from '../../src/logger.ts';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House, type HouseProcess } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { descendants, processes, stillRunning } from '../support/processes.ts';

const PATIENCE_MS = 30_000;
/** The embedded services start too. */
const SLOW = { timeout: 180_000 };

let house: House;

beforeEach(async () => {
  house = await buildHouse();
});

afterEach(() => house[Symbol.asyncDispose]());

/** As on a laptop: nothing is configured but where the data is. */
function startAlone(env: Record<string, string> = {}): Promise<HouseProcess> {
  return house.start(undefined, {
    MONGODB_URI: '',
    REDIS_URL: '',
    DECKHAND_API_KEY: '',
    DECKHAND_DATA_DIR: join(house.data_dir, 'alone'),
    ...env,
  });
}

function keptKey(): Promise<string> {
  return readFile(join(house.data_dir, 'alone', 'api-key'), 'utf8').then((text) => text.trim());
}

function clientOf(deckhand: HouseProcess, apiKey: string): Anthropic {
  return new Anthropic({ baseURL: deckhand.url, apiKey, maxRetries: 0 });
}

async function logOf(client: Anthropic, id: string): Promise<BetaManagedAgentsSessionEvent[]> {
  const all: BetaManagedAgentsSessionEvent[] = [];
  for await (const event of client.beta.sessions.events.list(id)) all.push(event);
  return all;
}

async function failure(start: Promise<HouseProcess>): Promise<string> {
  const error: unknown = await start.then(
    () => new Error('It started'),
    (reason: unknown) => reason,
  );
  return error instanceof Error ? error.message : String(error);
}

test('data survives a restart, and a second Deckhand on it is refused', SLOW, async () => {
  const first = await startAlone();
  const key = await keptKey();
  const before = clientOf(first, key);
  const agents = await before.beta.agents.list();
  const environments = await before.beta.environments.list();
  const session = await before.beta.sessions.create({
    agent: agents.data[0]?.id ?? '',
    environment_id: environments.data[0]?.id ?? '',
    title: 'kept',
  });
  await before.beta.sessions.events.send(session.id, {
    events: [{ type: 'user.message', content: [{ type: 'text', text: 'hello there' }] }],
  });
  const log = await eventually(async () => {
    const events = await logOf(before, session.id);
    expect(events.at(-1)?.type).toBe('session.status_idle');
    return events;
  }, PATIENCE_MS);

  const refused = await failure(startAlone());
  expect(refused).toContain('ended at start with 1');
  expect(refused).toContain(`is in use by another Deckhand: process ${first.pid}`);
  expect(refused).toContain('DECKHAND_DATA_DIR');
  expect(refused).not.toContain(key);
  expect((await fetch(`${first.url}/readyz`)).status).toBe(200);

  expect(await first.stop()).toBe(0);
  const second = await startAlone();
  expect(await keptKey()).toBe(key);
  const after = clientOf(second, key);
  expect(await after.beta.sessions.retrieve(session.id)).toMatchObject({ title: 'kept', status: 'idle' });
  expect(await logOf(after, session.id)).toEqual(log);
  await after.beta.sessions.events.send(session.id, {
    events: [{ type: 'user.message', content: [{ type: 'text', text: 'and again' }] }],
  });
  await eventually(async () => {
    const events = await logOf(after, session.id);
    expect(events.length).toBeGreaterThan(log.length + 2);
    expect(events.at(-1)?.type).toBe('session.status_idle');
  }, PATIENCE_MS);

  // Killed without a chance to tidy up, and started again: nothing is in the way and nothing is lost.
  const left = descendants(second.pid);
  await second.kill();
  await eventually(() => expect(stillRunning(left)).toEqual([]), PATIENCE_MS);
  const third = await startAlone();
  expect((await logOf(clientOf(third, key), session.id)).length).toBeGreaterThan(log.length + 2);
});

test.for(['SIGTERM', 'SIGINT'] as const)('%s ends every child, also a running command', SLOW, async (signal) => {
  await using model = await startTestModel();
  const deckhand = await startAlone({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    DECKHAND_DRAIN_MS: '200',
  });
  const client = clientOf(deckhand, await keptKey());
  const environments = await client.beta.environments.list();
  const agent = await client.beta.agents.create({
    name: 'tester',
    model: 'claude-sonnet-5-5',
    tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_allow' } } }],
  });
  const environment_id = environments.data[0]?.id ?? '';
  const session = await client.beta.sessions.create({ agent: agent.id, environment_id });
  const command = signal === 'SIGTERM' ? 'sleep 273.5' : 'sleep 274.5';
  model.reply({ tool_uses: [{ name: 'bash', input: { command } }] });
  await client.beta.sessions.events.send(session.id, {
    events: [{ type: 'user.message', content: [{ type: 'text', text: 'sleep' }] }],
  });
  const sleeping = await eventually(() => {
    const found = processes().filter((one) => one.command === command);
    expect(found).not.toEqual([]);
    return found;
  }, PATIENCE_MS);

  const children = [...descendants(deckhand.pid), ...sleeping];
  expect(children.map((child) => child.command).join('\n')).toMatch(/redis-server/);
  expect(await deckhand.stop(signal)).toBe(0);
  await eventually(() => expect(stillRunning(children)).toEqual([]), PATIENCE_MS);
});

test.for([
  [{ PORT: 'eighty' }, /PORT: /],
  [{ MONGODB_URI: 'postgres://u:sesame@db/x' }, /MONGODB_URI: must begin with mongodb:/],
  [{ REDIS_URL: 'http://:sesame@cache' }, /REDIS_URL: must begin with redis:/],
  [{ DECKHAND_API_KEY: 'sesame' }, /DECKHAND_API_KEY: use at least 16 characters/],
  [{ ANTHROPIC_BASE_URL: 'https://u:sesame@api.example' }, /ANTHROPIC_BASE_URL: must hold no user or password/],
  [{ ANTHROPIC_BASE_URL: 'https://api.example' }, /ANTHROPIC_BASE_URL .*Set both/],
  [{ SLACK_APP_TOKEN: 'xapp-sesame' }, /SLACK_APP_TOKEN is set without SLACK_BOT_TOKEN\. Copy/],
  [{ SLACK_BOT_TOKEN: 'sesame' }, /SLACK_BOT_TOKEN: must begin with xoxb-/],
  [{ SLACK_BOT_TOKEN: 'xoxb-sesame' }, /Set SLACK_APP_TOKEN/],
  [{ LOG_LEVEL: 'sesame' }, /LOG_LEVEL: /],
  // Nobody listens there: the reason, and still no password.
  [{ MONGODB_URI: 'mongodb://u:sesame@127.0.0.1:9/?serverSelectionTimeoutMS=200' }, /MONGODB_URI|MongoDB/],
] as const)('a bad configuration is refused in words: %j', SLOW, async ([env, words]) => {
  const said = await failure(house.start(undefined, env));
  expect(said).toContain('ended at start with 1');
  expect(said).toMatch(words);
  expect(said).not.toContain('    at ');
  expect(said.replaceAll(/LOG_LEVEL.*/g, '')).not.toContain('sesame');
});

test('a Redis that refuses is named, and its password is not', SLOW, async () => {
  const redis = await startEmbeddedRedis({ data_dir: join(house.data_dir, 'guarded'), logger: silentLogger });
  try {
    const admin = new Redis(redis.url);
    await admin.config('SET', 'requirepass', 'the right one');
    admin.disconnect();
    for (const url of [redis.url, redis.url.replace('redis://', 'redis://:sesame@')]) {
      const said = await failure(house.start(undefined, { REDIS_URL: url }));
      expect(said).toMatch(/Redis refuses Deckhand: (NOAUTH|WRONGPASS)/);
      expect(said).toContain('REDIS_URL');
      expect(said).not.toContain('sesame');
      expect(said).not.toContain('    at ');
    }
  } finally {
    await redis.close();
  }
});

test('/healthz and /readyz tell the truth', SLOW, async () => {
  const deckhand = await startAlone();
  const ask = async (path: string) => {
    const response = await fetch(`${deckhand.url}${path}`);
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };
  expect(await ask('/healthz')).toEqual({ status: 200, body: { status: 'ok' } });
  expect(await ask('/readyz')).toMatchObject({ status: 200, body: { status: 'ready', mongodb: 'ok', redis: 'ok' } });

  const redis = descendants(deckhand.pid).find((child) => child.command.includes('redis-server'));
  process.kill(redis?.pid ?? 0, 'SIGSTOP');
  try {
    const { status, body } = await ask('/readyz');
    expect({ status, redis: body['redis'] === 'ok', mongodb: body['mongodb'] }).toEqual({
      status: 503,
      redis: false,
      mongodb: 'ok',
    });
    expect((await ask('/healthz')).status).toBe(200);
  } finally {
    process.kill(redis?.pid ?? 0, 'SIGCONT');
  }
  await eventually(async () => expect((await ask('/readyz')).status).toBe(200), PATIENCE_MS);
});
