import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsEventParams } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { ensureDefaults } from '../../../src/resources/defaults.ts';
import type { NewEntry } from '../../../src/session/event.ts';
import { newId } from '../../../src/session/id.ts';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { agentMessage, askedCall, customCall, note, processed, terminated } from '../../support/entries.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let server: ApiServer;
let events: Anthropic['beta']['sessions']['events'];
let base: { agent: string; environment_id: string };
let id: string;

beforeAll(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
  events = server.client.beta.sessions.events;
  const defaults = await ensureDefaults(server);
  base = { agent: defaults.agent_id, environment_id: defaults.environment_id };
});

beforeEach(async () => {
  id = (await server.client.beta.sessions.create(base)).id;
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function append(...entries: NewEntry[]): Promise<void> {
  const { seq } = await server.log.head(server.ref(id));
  await server.log.append({ ...server.ref(id), after: seq, entries });
}

function send(...sent: unknown[]): PromiseLike<{ data?: unknown[] }> {
  return events.send(id, { events: sent as BetaManagedAgentsEventParams[] });
}

const text = (value: string) => ({ type: 'text', text: value });
const message = (value: string) => ({ type: 'user.message', content: [text(value)] });

describe('sending events', () => {
  it('stores them in their order, queued, and wakes a worker once', async () => {
    server.woken.length = 0;
    const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=' } };
    const pdf = { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'x' }, title: 't' };
    const sent = [{ type: 'user.message', content: [text('one'), image, pdf] }, { type: 'user.interrupt' }];
    const { data } = await send(...sent);
    expect(data).toMatchObject(sent.map((event) => ({ ...event, processed_at: null })));
    expect((await events.list(id)).data).toEqual(data);
    expect(server.woken).toEqual([id]);
    const entries = await server.log.read(server.ref(id));
    expect(entries.map((entry) => entry.by?.via)).toEqual(['api', 'api']);
  });

  it('keeps text to the letter', async () => {
    const odd = ['\u0000 nul', '😀 pair', 'a\u202eb', '$where', '{"$gt":""}', '<script>', ' \n x'];
    await send({ type: 'user.message', content: odd.map(text) });
    expect((await events.list(id)).data[0]).toMatchObject({ content: odd.map(text) });
  });

  it('takes a system message that goes with a message', async () => {
    const { data } = await send(message('a'), { type: 'system.message', content: [text('The date is known.')] });
    expect(data).toHaveLength(2);
  });

  it.each<[string, unknown[]]>([
    ['events', []],
    ['events.0.type', [{ type: 'agent.message', content: [] }]],
    ['events.0.type', [{ content: [] }]],
    ['events.0', ['user.message']],
    ['events.0.content', [{ type: 'user.message' }]],
    ['events.0.content', [{ type: 'user.message', content: [] }]],
    ['events.0.content', [{ type: 'user.message', content: 'text' }]],
    ['events.0.content.0.text', [message('  ')]],
    [
      'events.1.content.0.text',
      [message('x'), { type: 'user.message', content: [{ type: 'text', text: { $gt: 1 } }] }],
    ],
    [
      'events.0.content.0.source.media_type',
      [{ type: 'user.message', content: [picture({ media_type: 'image/tiff' })] }],
    ],
    ['events.0.content.0.source.data', [{ type: 'user.message', content: [picture({ data: 'not base64!' })] }]],
    [
      'events.0.content.0.source.type',
      [{ type: 'user.message', content: [{ type: 'image', source: { type: 'elsewhere' } }] }],
    ],
    [
      'events.0.content.0.source.file_id',
      [{ type: 'user.message', content: [{ type: 'image', source: { type: 'file' } }] }],
    ],
    ['events.0', [{ ...message('x'), id: 'sevt_mine' }]],
    ['events.0', [{ ...message('x'), processed_at: '2026-01-01T00:00:00Z' }]],
    [
      'events.0.type: outcomes are not supported yet',
      [{ type: 'user.define_outcome', description: 'd', rubric: { type: 'text', content: 'r' } }],
    ],
    ['events.0.type: only clients of a self_hosted', [{ type: 'user.tool_result', tool_use_id: 'sevt_1' }]],
    ['events.0.type: system.message must be', [{ type: 'system.message', content: [text('x')] }]],
    [
      'events.1.type: system.message must be',
      [message('x'), { type: 'system.message', content: [text('x')] }, message('y')],
    ],
    ['events.0.custom_tool_use_id', [{ type: 'user.custom_tool_result', custom_tool_use_id: 'sevt_none' }]],
    ['events.0.tool_use_id', [{ type: 'user.tool_confirmation', tool_use_id: 'sevt_none', result: 'allow' }]],
    ['events.0.result', [{ type: 'user.tool_confirmation', tool_use_id: 'sevt_none', result: 'maybe' }]],
    [
      'events.0.deny_message: is only allowed',
      [{ type: 'user.tool_confirmation', tool_use_id: 'sevt_none', result: 'allow', deny_message: 'x' }],
    ],
    ['events.0.session_thread_id', [{ type: 'user.interrupt', session_thread_id: 'sthr_1' }]],
  ])('refuses with the path %s', async (path, sent) => {
    const error = await refusal(send(...sent));
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(error.apiMessage).toContain(path);
    expect((await events.list(id)).data).toEqual([]);
  });

  it('takes nothing when the session is terminated', async () => {
    await append(terminated());
    expect((await refusal(send(message('x')))).apiMessage).toContain('terminated');
  });
});

describe('results of custom tools', () => {
  it('takes one for each call that waits, once', async () => {
    const [one, two] = [newId('sevt'), newId('sevt')];
    await append(customCall(one), customCall(two));
    const result = (call: string) => ({
      type: 'user.custom_tool_result',
      custom_tool_use_id: call,
      content: [text('42')],
    });
    expect((await refusal(send(result(one), result(one)))).apiMessage).toContain('events.1.custom_tool_use_id');
    expect((await send(result(two))).data).toMatchObject([{ ...result(two), processed_at: null }]);
    expect((await refusal(send(result(two)))).status).toBe(400);
    expect((await send(result(one), message('and more'))).data).toHaveLength(2);
  });

  it('lets one of two results for the same call through', async () => {
    const call = newId('sevt');
    await append(customCall(call));
    const result = { type: 'user.custom_tool_result', custom_tool_use_id: call };
    const outcomes = await Promise.allSettled(Array.from({ length: 5 }, () => send(result)));
    expect(outcomes.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    expect((await events.list(id, { types: ['user.custom_tool_result'] })).data).toHaveLength(1);
  });
});

describe('confirmations', () => {
  it('decides a call once, whoever else tries', async () => {
    const call = newId('sevt');
    await append(...askedCall(call));
    const allow = { type: 'user.tool_confirmation', tool_use_id: call, result: 'allow' };
    const deny = { ...allow, result: 'deny', deny_message: 'Too broad' };
    const outcomes = await Promise.allSettled([send(allow), send(deny), send(allow), send(deny)]);
    expect(outcomes.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    const late = await refusal(send(allow));
    expect(late.status).toBe(400);
    expect(late.apiMessage).toContain('already');
    expect((await events.list(id, { types: ['user.tool_confirmation'] })).data).toHaveLength(1);
  });

  it('passes on why, and answers with the event as it is stored', async () => {
    const call = newId('sevt');
    await append(...askedCall(call));
    const deny = { type: 'user.tool_confirmation', tool_use_id: call, result: 'deny', deny_message: 'Too broad' };
    const { data } = await send(message('before'), deny, message('after'));
    expect(data).toMatchObject([message('before'), { ...deny, processed_at: null }, message('after')]);
    const stored = await events.list(id, { types: ['user.message', 'user.tool_confirmation'] });
    expect(stored.data).toEqual(data);
  });
});

describe('listing events', () => {
  it('pages through all in either order, without what is internal', async () => {
    for (let i = 0; i < 7; i++) await append(agentMessage(`m${i}`), note('internal'));
    const asc: string[] = [];
    for await (const event of events.list(id, { limit: 2 })) asc.push(textOf(event));
    expect(asc).toEqual(['m0', 'm1', 'm2', 'm3', 'm4', 'm5', 'm6']);
    const desc: string[] = [];
    for await (const event of events.list(id, { limit: 3, order: 'desc' })) desc.push(textOf(event));
    expect(desc).toEqual(asc.toReversed());
  });

  it('gives a page that what is added meanwhile does not shift', async () => {
    await append(agentMessage('a'), agentMessage('b'), agentMessage('c'));
    const first = await events.list(id, { limit: 2 });
    await append(agentMessage('d'));
    expect((await first.getNextPage()).data.map(textOf)).toEqual(['c', 'd']);
  });

  it('filters by type, internal ones included when they are named', async () => {
    await send(message('x'));
    await append(agentMessage('y'), note('z'));
    const only = async (...types: string[]) =>
      (await events.list(id, { types: types as Anthropic.Beta.Sessions.EventListParams['types'] & [] })).data;
    expect((await only('agent.message')).map(textOf)).toEqual(['y']);
    expect(await only('agent.message', 'user.message')).toHaveLength(2);
    expect(await only('deckhand.note')).toMatchObject([{ type: 'deckhand.note', text: 'z' }]);
    expect((await refusal(events.list(id, { types: ['agent.massage'] as never }))).apiMessage).toContain('types');
  });

  it('filters by time', async () => {
    await append(agentMessage('x'));
    const [entry] = await server.log.read(server.ref(id));
    const at = entry?.created_at.toISOString() ?? '';
    expect((await events.list(id, { 'created_at[gte]': at })).data).toHaveLength(1);
    expect((await events.list(id, { 'created_at[gt]': at })).data).toHaveLength(0);
    expect((await events.list(id, { 'created_at[lte]': at })).data).toHaveLength(1);
    expect((await events.list(id, { 'created_at[lt]': at })).data).toHaveLength(0);
  });

  it('shows when an input was taken up', async () => {
    await send(message('x'));
    const [queued] = (await events.list(id)).data;
    await append(processed(queued?.id ?? ''));
    const [taken] = (await events.list(id)).data;
    expect(taken).toMatchObject({ id: queued?.id, processed_at: expect.stringMatching(/^\d{4}-/) });
  });

  it('refuses a cursor of another list or order', async () => {
    await append(agentMessage('a'), agentMessage('b'));
    const { next_page } = await events.list(id, { limit: 1 });
    expect((await refusal(events.list(id, { page: next_page, order: 'desc' }))).apiMessage).toContain('page');
    expect((await refusal(events.list(id, { page: 'x' }))).status).toBe(400);
  });
});

function textOf(event: { type: string; content?: unknown }): string {
  const [block] = Array.isArray(event.content) ? event.content : [];
  return String(block?.text);
}

function picture(source: object) {
  return { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'aGk=', ...source } };
}
