import Anthropic from '@anthropic-ai/sdk';
import { betaTool } from '@anthropic-ai/sdk/helpers/beta/json-schema';
import type { AgentCreateParams } from '@anthropic-ai/sdk/resources/beta/agents/agents';
import type {
  BetaManagedAgentsSessionEvent,
  BetaManagedAgentsStreamSessionEvents,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';
import type { SessionCreateParams } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createApiKeys } from '../../src/resources/api-keys.ts';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House } from '../support/house.ts';
import { startTestModel, type TestModel } from '../support/model.ts';

const PATIENCE_MS = 15_000;
const SLOW = { timeout: 30_000 };

let house: House;
let model: TestModel;
let client: Anthropic;
let url: string;
let environment_id: string;

beforeAll(async () => {
  model = await startTestModel();
  house = await buildHouse({ ANTHROPIC_API_KEY: 'test', ANTHROPIC_BASE_URL: model.base_url });
  url = (await house.start()).url;
  client = new Anthropic({ baseURL: url, apiKey: house.api_key, maxRetries: 0 });
  environment_id = (await client.beta.environments.create({ name: 'lab' })).id;
}, 60_000);

afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

beforeEach(() => model.forget());

type Tools = NonNullable<AgentCreateParams['tools']>;

const BASH: Tools = [
  { type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_allow' } } },
];
const LOOKUP: Tools = [
  {
    type: 'custom',
    name: 'lookup',
    description: 'Look a host up.',
    input_schema: { type: 'object', properties: { host: { type: 'string' } }, required: ['host'] },
  },
];

async function session(tools: Tools = [], options: Partial<SessionCreateParams> = {}): Promise<string> {
  const agent = await client.beta.agents.create({ name: 'tester', model: 'claude-sonnet-5-5', tools });
  return (await client.beta.sessions.create({ agent: agent.id, environment_id, ...options })).id;
}

async function says(id: string, text: string): Promise<void> {
  await client.beta.sessions.events.send(id, {
    events: [{ type: 'user.message', content: [{ type: 'text', text }] }],
  });
}

/** The log once it is idle for this reason after `runs` runs. */
function idle(id: string, reason: string, runs = 1): Promise<BetaManagedAgentsSessionEvent[]> {
  return eventually(async () => {
    const all: BetaManagedAgentsSessionEvent[] = [];
    for await (const event of client.beta.sessions.events.list(id)) all.push(event);
    const idles = all.flatMap((event) => (event.type === 'session.status_idle' ? [event.stop_reason.type] : []));
    const last = all.at(-1)?.type;
    if (idles.length < runs || last !== 'session.status_idle' || idles.at(-1) !== reason) {
      throw new Error(`Not idle with ${reason}: ${idles.join()}; ${all.map((event) => event.type).join('\n')}`);
    }
    return all;
  }, PATIENCE_MS);
}

function textsOf(events: readonly BetaManagedAgentsStreamSessionEvents[]): string[] {
  return events.flatMap((event) =>
    event.type === 'agent.message' ? event.content.map((block) => (block.type === 'text' ? block.text : '')) : [],
  );
}

test('a stream shows a text as it grows, and the whole of it after', SLOW, async () => {
  const id = await session();
  const stream = await client.beta.sessions.events.stream(id, { event_deltas: ['agent.message'] });
  const held = model.replyHeld({ text: 'The first half and the second.' }, 3);
  await says(id, 'Tell me');
  const seen: BetaManagedAgentsStreamSessionEvents[] = [];
  let growing = '';
  let released = false;
  for await (const event of stream) {
    seen.push(event);
    if (event.type === 'event_delta' && event.delta.content.type === 'text') growing += event.delta.content.text;
    if (!released && growing.includes('first half')) {
      expect(growing).not.toContain('second');
      expect(await client.beta.sessions.retrieve(id)).toMatchObject({ status: 'running' });
      released = true;
      held.release();
    }
    if (event.type === 'session.status_idle') break;
  }
  expect(growing).toBe('The first half and the second.');
  expect(textsOf(seen)).toEqual(['The first half and the second.']);
  const start = seen.find((event) => event.type === 'event_start');
  const whole = seen.find((event) => event.type === 'agent.message');
  expect(start).toMatchObject({ event: { id: whole?.id, type: 'agent.message' } });
  expect(seen.at(-1)).toMatchObject({ stop_reason: { type: 'end_turn' } });
});

test('a custom tool is answered by the client, and the model reads the answer', SLOW, async () => {
  const id = await session(LOOKUP);
  model.reply({ tool_uses: [{ name: 'lookup', input: { host: 'db' } }] }, { text: 'It is 10.0.0.7.' });
  await says(id, 'Where is db?');
  const asked = await idle(id, 'requires_action');
  const use = asked.find((event) => event.type === 'agent.custom_tool_use');
  expect(use).toMatchObject({ name: 'lookup', input: { host: 'db' } });
  expect(asked.at(-1)).toMatchObject({ stop_reason: { event_ids: [use?.id] } });
  await client.beta.sessions.events.send(id, {
    events: [
      {
        type: 'user.custom_tool_result',
        custom_tool_use_id: use?.id ?? '',
        content: [{ type: 'text', text: '10.0.0.7' }],
      },
    ],
  });
  expect(textsOf(await idle(id, 'end_turn', 2))).toEqual(['It is 10.0.0.7.']);
  expect(JSON.stringify(model.requests[1]?.messages.at(-1))).toContain('10.0.0.7');
});

test('the SDK’s own tool runner serves a session', SLOW, async () => {
  const id = await session(LOOKUP);
  model.reply({ tool_uses: [{ name: 'lookup', input: { host: 'db' } }] }, { text: 'Found.' });
  await says(id, 'Where is db?');
  const lookup = betaTool({
    name: 'lookup',
    description: 'Look a host up.',
    inputSchema: { type: 'object', properties: { host: { type: 'string' } }, required: ['host'] },
    run: ({ host }) => `${host} is 10.0.0.8`,
  });
  const calls: unknown[] = [];
  const runner = client.beta.sessions.events.toolRunner(id, { tools: [lookup], maxIdleMs: 100 });
  for await (const call of runner) calls.push(call);
  expect(calls).toHaveLength(1);
  expect(textsOf(await idle(id, 'end_turn', 2))).toEqual(['Found.']);
  expect(JSON.stringify(model.requests[1]?.messages.at(-1))).toContain('db is 10.0.0.8');
});

test('an interrupt ends the answer and keeps what was said', SLOW, async () => {
  const id = await session();
  const stream = await client.beta.sessions.events.stream(id, { event_deltas: ['agent.message'] });
  const held = model.replyHeld({ text: 'One two three four.' }, 2);
  await says(id, 'Count');
  let growing = '';
  for await (const event of stream) {
    if (event.type === 'event_delta' && event.delta.content.type === 'text') growing += event.delta.content.text;
    if (growing.includes('two')) break;
  }
  await client.beta.sessions.events.send(id, { events: [{ type: 'user.interrupt' }] });
  expect(textsOf(await idle(id, 'end_turn'))).toEqual(['One two']);
  held.release();
  model.reply({ text: 'Three.' });
  await says(id, 'Go on');
  expect(textsOf(await idle(id, 'end_turn', 2))).toEqual(['One two', 'Three.']);
});

test('an interrupt ends a running command', SLOW, async () => {
  const id = await session(BASH);
  const stream = await client.beta.sessions.events.stream(id);
  model.reply({ tool_uses: [{ name: 'bash', input: { command: 'sleep 272.4' } }] });
  await says(id, 'Sleep');
  for await (const event of stream) if (event.type === 'agent.tool_use') break;
  await client.beta.sessions.events.send(id, { events: [{ type: 'user.interrupt' }] });
  const events = await idle(id, 'end_turn');
  expect(events.filter((event) => event.type === 'agent.tool_result')).toMatchObject([{ is_error: true }]);
  expect(model.requests).toHaveLength(1);
});

test('a budget ends the run, says so, and a raised one lets it go on', SLOW, async () => {
  const budget = { type: 'limit', max_list_cost: { amount: '1', currency: 'USD' } } as const;
  const id = await session(BASH, { budget });
  // 2,000 tokens at $10 a million are 2 cents.
  model.reply({
    tool_uses: [{ name: 'bash', input: { command: 'echo spent' } }],
    usage: { input_tokens: 0, output_tokens: 2_000, cache_read_input_tokens: 0 },
  });
  await says(id, 'Spend');
  const events = await idle(id, 'budget_reached');
  expect(model.requests).toHaveLength(1);
  expect(events.filter((event) => event.type === 'agent.tool_result')).toHaveLength(1);
  const { usage } = await client.beta.sessions.retrieve(id);
  expect(usage).toMatchObject({ input_tokens: 0, output_tokens: 2_000, cache_read_input_tokens: 0 });

  // Raising it is enough: the run goes on by itself.
  model.reply({ text: 'Spent.', usage: { input_tokens: 7, output_tokens: 11, cache_read_input_tokens: 3 } });
  await client.beta.sessions.update(id, {
    budget: { type: 'limit', max_list_cost: { amount: '100', currency: 'USD' } },
  });
  expect(textsOf(await idle(id, 'end_turn', 2))).toEqual(['Spent.']);
  expect((await client.beta.sessions.retrieve(id)).usage).toMatchObject({
    input_tokens: 7,
    output_tokens: 2_011,
    cache_read_input_tokens: 3,
  });
});

test('a session is archived and deleted when it rests, and not while it works', SLOW, async () => {
  const id = await session();
  const held = model.replyHeld({ text: 'Working on it.' });
  await says(id, 'Work');
  await held.asked;
  await expect(client.beta.sessions.delete(id)).rejects.toMatchObject({ status: 400 });
  await expect(client.beta.sessions.archive(id)).rejects.toMatchObject({ status: 400 });
  held.release();
  await idle(id, 'end_turn');
  expect((await client.beta.sessions.archive(id)).archived_at).not.toBeNull();
  await expect(says(id, 'More?')).rejects.toMatchObject({ status: 400 });
  expect(await client.beta.sessions.delete(id)).toMatchObject({ id, type: 'session_deleted' });
  await expect(client.beta.sessions.retrieve(id)).rejects.toMatchObject({ status: 404 });
});

test('another workspace sees none of it', SLOW, async () => {
  const id = await session();
  const { key } = await createApiKeys(house.database.db).create('wrkspc_other', 'other');
  const other = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
  const { agent } = await client.beta.sessions.retrieve(id);
  const theirs = [
    other.beta.sessions.retrieve(id),
    other.beta.sessions.update(id, { title: 'mine' }),
    other.beta.sessions.archive(id),
    other.beta.sessions.delete(id),
    other.beta.sessions.events.list(id).then((page) => page.data),
    other.beta.sessions.events.stream(id),
    other.beta.sessions.events.send(id, { events: [{ type: 'user.interrupt' }] }),
    other.beta.agents.retrieve(agent.id),
    other.beta.agents.archive(agent.id),
    other.beta.environments.retrieve(environment_id),
    other.beta.environments.delete(environment_id),
    other.beta.sessions.create({ agent: agent.id, environment_id }),
  ];
  const outcomes = await Promise.allSettled(theirs);
  const statuses = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.status : 'let in'));
  expect(statuses).toEqual(theirs.map(() => 404));
  expect((await other.beta.sessions.list()).data).toEqual([]);
  expect(await client.beta.sessions.retrieve(id)).toMatchObject({ id, title: null, archived_at: null });
});
