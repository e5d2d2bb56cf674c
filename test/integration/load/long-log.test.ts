import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureDefaults } from '../../../src/resources/defaults.ts';
import type { NewEntry } from '../../../src/session/event.ts';
import { newId } from '../../../src/session/id.ts';
import { type ApiServer, startApiServer } from '../../support/api-server.ts';
import { agentMessage, customCall, processed, userMessage } from '../../support/entries.ts';
import { fillLog, type WatchedDatabase, watchDatabase } from '../../support/long-log.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const EVENTS = 10_000;
/** What a command printed stands between two halves of the conversation, and no list shows it. */
const PROGRESS = 4_000;
const SHOWN = EVENTS - PROGRESS;

let database: TestDatabase;
let watched: WatchedDatabase;
let server: ApiServer;
let id: string;
let log: NewEntry[];

function conversation(events: number): NewEntry[] {
  return Array.from({ length: events / 2 }, (_, n) => [
    userMessage(`question ${n}`),
    agentMessage(`answer ${n}`),
  ]).flat();
}

function printed(n: number): NewEntry {
  const processed_at = new Date().toISOString();
  const event = {
    id: newId('sevt'),
    type: 'deckhand.tool_progress',
    tool_use_id: 'sevt_1',
    text: `${n}`,
    processed_at,
  };
  return { event: event as NewEntry['event'] };
}

beforeEach(async () => {
  database = await testDatabase();
  watched = await watchDatabase(database.name);
  server = await startApiServer(watched.db, { poll_ms: 3_600_000 });
  const defaults = await ensureDefaults(server);
  const made = await server.client.beta.sessions.create({
    agent: defaults.agent_id,
    environment_id: defaults.environment_id,
  });
  ({ id } = made);
  const progress = Array.from({ length: PROGRESS }, (_, n) => printed(n));
  log = [...conversation(SHOWN / 2), ...progress, ...conversation(SHOWN / 2)];
  await fillLog(database.db, server.ref(id), log);
  await watched.take();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await watched[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

type Listing = Parameters<typeof server.client.beta.sessions.events.list>[1];

/** Page after page, each of which may cost no more than its size. */
async function walk(query: Listing & { limit: number }, from?: string, pages = EVENTS) {
  const found: BetaManagedAgentsSessionEvent[] = [];
  const kinds = query.types?.length ?? 1;
  let page = from;
  for (let n = 0; n < pages; n++) {
    const { data, next_page } = await server.client.beta.sessions.events.list(id, {
      ...query,
      ...(page === undefined ? {} : { page }),
    });
    const { commands, plans } = await watched.take();
    expect(commands.filter((command) => !command.endsWith('api_keys'))).toEqual([
      'find sessions',
      'find session_events',
    ]);
    for (const plan of plans) expect(plan.examined).toBeLessThanOrEqual(query.limit + 2 + 2 * kinds);
    found.push(...data);
    page = next_page ?? undefined;
    if (page === undefined) break;
  }
  return { ids: found.map((event) => event.id), next: page };
}

function idsOf(...types: string[]): string[] {
  return log.flatMap(({ event }) => (types.includes(event.type) ? [event.id] : []));
}

const TALK = ['user.message', 'agent.message'] as const;

describe(`a log of ${EVENTS} events`, () => {
  it.for([1000, 100] as const)(
    'is listed whole, %i at a time, either way, for the price of each page',
    async (limit) => {
      const expected = idsOf(...TALK);
      expect((await walk({ limit, order: 'asc' })).ids).toEqual(expected);
      expect((await walk({ limit, order: 'desc' })).ids).toEqual(expected.toReversed());
    },
  );

  it('is listed by type, for the price of each page', async () => {
    const answers = idsOf('agent.message');
    expect((await walk({ limit: 500, types: ['agent.message'] })).ids).toEqual(answers);
    expect((await walk({ limit: 500, order: 'desc', types: ['agent.message'] })).ids).toEqual(answers.toReversed());
    expect((await walk({ limit: 500, order: 'desc', types: [...TALK] })).ids).toEqual(idsOf(...TALK).toReversed());
    expect((await walk({ limit: 500, types: ['agent.thinking'] })).ids).toEqual([]);
  });

  it.for(['asc', 'desc'] as const)('is crossed %s where nothing of it is shown, one event at a time', async (order) => {
    // Two events before the middle, and from there on in small steps.
    const half = await walk({ limit: SHOWN / 6, order }, undefined, 3);
    const steps = await walk({ limit: 1, order }, half.next, 3);
    const ids = order === 'asc' ? idsOf(...TALK) : idsOf(...TALK).toReversed();
    expect(steps.ids).toEqual(ids.slice(SHOWN / 2, SHOWN / 2 + 3));
  });

  it('is streamed from now on, whatever stands before', async () => {
    const stream = await server.client.beta.sessions.events.stream(id);
    await watched.take();
    const question = userMessage('and now?');
    const old = log.findLast(({ event }) => event.type === 'user.message')?.event.id ?? '';
    await server.log.append({ ...server.ref(id), after: EVENTS, entries: [question] });
    await server.log.append({ ...server.ref(id), after: EVENTS + 1, entries: [processed(old, question.event.id)] });
    await server.log.append({ ...server.ref(id), after: EVENTS + 2, entries: [agentMessage('the end')] });
    const seen: Array<[string, boolean]> = [];
    for await (const event of stream) {
      if ('id' in event) seen.push([event.id, event.processed_at !== null]);
      if (event.type === 'agent.message') break;
    }
    expect(seen).toEqual([
      [question.event.id, false],
      // Asked before the stream was opened, and taken up after.
      [old, true],
      [question.event.id, true],
      [expect.any(String), true],
    ]);
    const { commands, plans } = await watched.take();
    expect(commands.filter((command) => command.startsWith('find '))).toEqual([
      // Where the three appends stand is known from the hints; only the old question is not.
      'find sessions',
      'find session_events',
    ]);
    for (const plan of plans) expect(plan.examined).toBeLessThanOrEqual(2);
  });

  it('is not read for the result of a call', async () => {
    const call = newId('sevt');
    const reply: NewEntry['event'] = {
      id: newId('sevt'),
      type: 'deckhand.model_reply',
      model: 'claude-sonnet-5-5',
      content: [],
      stop_reason: 'tool_use',
      tool_use_events: {},
      cost_micro_usd: 0,
      processed_at: new Date().toISOString(),
    };
    await server.log.append({ ...server.ref(id), after: EVENTS, entries: [{ event: reply }, customCall(call)] });
    await watched.take();
    await server.client.beta.sessions.events.send(id, {
      events: [{ type: 'user.custom_tool_result', custom_tool_use_id: call, content: [] }],
    });
    const { commands, plans } = await watched.take();
    expect(commands.length).toBeLessThan(12);
    for (const plan of plans) expect(plan.examined).toBeLessThanOrEqual(2);
  });
});
