import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import type {
  BetaManagedAgentsEventParams,
  BetaManagedAgentsSessionEvent,
} from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { type Deckhand, startDeckhand } from '../../src/deckhand.ts';
import { silentLogger } from '../../src/logger.ts';
import { MAX_APPEND_BYTES } from '../../src/session/log.ts';
import { refusal } from '../support/api-server.ts';
import { eventually } from '../support/eventually.ts';
import { startTestModel, type TestModel } from '../support/model.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import { createWebClient } from '../support/web-client.ts';

const KEY = 'test-key-0123456789abcdef';
const MEBIBYTE = 1_048_576;
const PATIENCE_MS = 60_000;
const SLOW = { timeout: 180_000 };

let data_dir: string;
let database: TestDatabase;
let model: TestModel;
let slack: SlackServer;
let house: Deckhand;
let client: Anthropic;

beforeAll(async () => {
  database = await testDatabase();
  data_dir = await mkdtemp(join(tmpdir(), 'deckhand-largest-'));
  model = await startTestModel();
  slack = await startSlackServer();
  const config = loadConfig({
    PORT: '0',
    DECKHAND_DATA_DIR: data_dir,
    DECKHAND_API_KEY: KEY,
    DECKHAND_LEASE_MS: '60000',
    MONGODB_URI: inject('mongodb_uri'),
    MONGODB_DATABASE: database.name,
    REDIS_URL: inject('redis_url'),
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    SLACK_BOT_TOKEN: slack.tokens.bot,
    SLACK_APP_TOKEN: slack.tokens.app,
    SLACK_API_URL: slack.apiUrl,
  });
  house = await startDeckhand(config, silentLogger, ['gateway', 'worker']);
  client = new Anthropic({ baseURL: house.url ?? '', apiKey: KEY, maxRetries: 0 });
}, 60_000);

afterAll(async () => {
  await house[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
  await rm(data_dir, { recursive: true, force: true });
  await database[Symbol.asyncDispose]();
});

async function newSession(): Promise<string> {
  const agent = await client.beta.agents.create({
    name: 'reader',
    model: 'claude-sonnet-5-5',
    tools: [{ type: 'custom', name: 'lookup', description: 'Look it up.', input_schema: { type: 'object' } }],
  });
  const { environment_id } = house.context.defaults;
  return (await client.beta.sessions.create({ agent: agent.id, environment_id })).id;
}

const send = (id: string, ...events: BetaManagedAgentsEventParams[]) =>
  client.beta.sessions.events.send(id, { events });

const message = (text: string): BetaManagedAgentsEventParams => ({
  type: 'user.message',
  content: [{ type: 'text', text }],
});

/** The longest text with which such an event is taken: the refusal of a longer one says by how much it is too long. */
async function longest(id: string, eventOf: (text: string) => BetaManagedAgentsEventParams): Promise<string> {
  const text = 'x'.repeat(MAX_APPEND_BYTES - 250);
  const { status, message: words } = await refusal(send(id, eventOf(text)));
  expect(status).toBe(400);
  const bytes = Number(/events\.0: (\d+) bytes are more than the 8388608 that fit one append/.exec(words)?.[1]);
  return text.slice(bytes - MAX_APPEND_BYTES);
}

/** The log as the API lists it, page after page, once it is idle for this reason. */
function idle(id: string, reason: string): Promise<BetaManagedAgentsSessionEvent[]> {
  return eventually(async () => {
    const events: BetaManagedAgentsSessionEvent[] = [];
    const session = await client.beta.sessions.retrieve(id);
    expect(session.status).toBe('idle');
    for await (const event of client.beta.sessions.events.list(id)) events.push(event);
    const last = events.at(-1);
    expect(last?.type === 'session.status_idle' && last.stop_reason.type).toBe(reason);
    return events;
  }, PATIENCE_MS);
}

describe('an event of the largest size', () => {
  it('is taken, listed, streamed and given to the model; with a byte more it is refused', SLOW, async () => {
    const id = await newSession();
    const text = await longest(id, message);
    expect(text.length).toBeGreaterThan(MAX_APPEND_BYTES - 500);
    const refused = await refusal(send(id, message(`${text}x`)));
    expect([refused.status, refused.message]).toEqual([400, expect.stringContaining('events.0: 8388609 bytes')]);
    const halves = await refusal(send(id, message(text.slice(text.length / 2)), message(text.slice(text.length / 2))));
    expect([halves.status, halves.message]).toEqual([400, expect.stringMatching(/"events: \d+ bytes are more/)]);
    expect((await client.beta.sessions.events.list(id)).data).toEqual([]);

    const stream = await client.beta.sessions.events.stream(id);
    model.reply({ text: 'I have read it.' });
    await send(id, message(text));
    const streamed: string[] = [];
    for await (const event of stream) {
      if (event.type === 'user.message') streamed.push(JSON.stringify(event.content));
      if (event.type === 'session.status_idle') break;
    }
    const content = [{ type: 'text', text }];
    // When it was sent, and when it was taken up.
    expect(streamed.map((one) => one === JSON.stringify(content))).toEqual([true, true]);
    const listed = (await idle(id, 'end_turn')).find((event) => event.type === 'user.message');
    expect(JSON.stringify(listed?.content) === JSON.stringify(content)).toBe(true);
    expect(JSON.stringify(model.requests.at(-1)?.messages).includes(JSON.stringify(text))).toBe(true);
  });

  it('may be the result of a tool', SLOW, async () => {
    const id = await newSession();
    model.reply({ tool_uses: [{ name: 'lookup', input: {} }] }, { text: 'Found.' });
    await send(id, message('look it up'));
    const asked = await idle(id, 'requires_action');
    const call = asked.find((event) => event.type === 'agent.custom_tool_use')?.id ?? '';
    const result = (text: string): BetaManagedAgentsEventParams => ({
      type: 'user.custom_tool_result',
      custom_tool_use_id: call,
      content: [{ type: 'text', text }],
    });
    const text = await longest(id, result);
    const refused = await refusal(send(id, result(`${text}x`)));
    expect([refused.status, refused.message]).toEqual([400, expect.stringContaining('events.0: 8388609 bytes')]);
    await send(id, result(text));
    const events = await idle(id, 'end_turn');
    const listed = events.find((event) => event.type === 'user.custom_tool_result');
    expect(JSON.stringify(listed?.content) === JSON.stringify([{ type: 'text', text }])).toBe(true);
    expect(JSON.stringify(model.requests.at(-1)?.messages).includes(JSON.stringify(text))).toBe(true);
  });
});

describe('an answer of the largest size', () => {
  const line = (n: number) => `${n}: ${'y'.repeat(4_000)}\n\n`;
  const answer = Array.from({ length: 520 }, (_, n) => line(n)).join('');
  const NOT_ALL = /This is not all: about (\d+) more characters are too long for a chat/;

  it('begins in a thread, and is whole in a file below', SLOW, async () => {
    expect(answer.length).toBeGreaterThan(1.95 * MEBIBYTE);
    model.reply({ text: answer });
    const thread = slack.user('Ana').mention('ops', 'tell me everything');
    const said = () =>
      slack.workspace.messages.filter((one) => one.thread_ts === thread.ts && one.bot_id !== undefined);
    const file = await eventually(() => {
      const shared = said().at(-1)?.files?.[0];
      if (shared === undefined) throw new Error('There is no file yet');
      return shared;
    }, PATIENCE_MS);
    const texts = said().map(readable);
    expect(texts).toHaveLength(6);
    expect(texts[0]?.startsWith(line(0).trimEnd())).toBe(true);
    // Line after line, none of them torn or left out, up to where it ends.
    const numbers = [...texts.join('\n\n').matchAll(/(\d+): y{4000}/g)].map((match) => Number(match[1]));
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, n) => n));
    const bytes = slack.workspace.uploads.get(file.id)?.bytes;
    expect(bytes?.toString('utf8') === answer).toBe(true);
  });

  it('is shown on the page as far as a chat takes it, and the rest in words', SLOW, async () => {
    const ana = createWebClient(house.url ?? '');
    await ana.signIn('Ana', KEY);
    const { id } = await ana.begin();
    model.reply({ text: answer });
    await ana.say(id, 'tell me everything');
    const messages = await eventually(async () => {
      const detail = await ana.open(id);
      const last = detail.messages.at(-1)?.body;
      expect(last?.kind === 'notice' && last.markdown).toMatch(NOT_ALL);
      return detail.messages;
    }, PATIENCE_MS);
    const texts = messages.flatMap(({ body }) =>
      body.kind === 'text' && body.markdown.includes('yyyy') ? [body] : [],
    );
    expect(texts.length).toBeGreaterThan(0);
    expect(texts.filter((body) => body.live)).toEqual([]);
  });
});
