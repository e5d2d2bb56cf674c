import type Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSession } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEFAULT_WORKSPACE, ensureDefaults } from '../../../src/resources/defaults.ts';
import { toSession } from '../../../src/resources/session-document.ts';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { idle, running, terminated, usage, userMessage } from '../../support/entries.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let server: ApiServer;
let client: Anthropic;
let sessions: Anthropic['beta']['sessions'];
let base: { agent: string; environment_id: string };

beforeAll(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
  client = server.client;
  sessions = client.beta.sessions;
  const defaults = await ensureDefaults(server);
  base = { agent: defaults.agent_id, environment_id: defaults.environment_id };
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** What a turn would have appended. */
async function append(id: string, ...entries: Parameters<typeof server.log.append>[0]['entries']): Promise<void> {
  const { seq } = await server.log.head(server.ref(id));
  await server.log.append({ ...server.ref(id), after: seq, entries });
}

describe('creating a session', () => {
  it('takes a snapshot of the agent as it is', async () => {
    const agent = await client.beta.agents.create({ name: 'one', model: 'claude-opus-5-5', system: 'Be kind.' });
    const session = await sessions.create({ ...base, agent: agent.id, title: 'T', metadata: { a: 'b' } });
    await client.beta.agents.update(agent.id, { name: 'two', system: 'Be quick.' });
    expect(await sessions.retrieve(session.id)).toMatchObject({
      type: 'session',
      status: 'idle',
      title: 'T',
      metadata: { a: 'b' },
      budget: null,
      usage: {},
      archived_at: null,
      agent: { id: agent.id, type: 'agent', version: 1, name: 'one', system: 'Be kind.' },
    });
    const pinned = await sessions.create({ ...base, agent: { type: 'agent', id: agent.id, version: 1 } });
    expect(pinned.agent.name).toBe('one');
    expect((await sessions.create({ ...base, agent: agent.id })).agent).toMatchObject({ name: 'two', version: 2 });
  });

  it('lets the session have settings of its own, and leaves the agent alone', async () => {
    const agent = await client.beta.agents.create({ name: 'o', model: 'm', system: 's' });
    const session = await sessions.create({
      ...base,
      agent: {
        type: 'agent_with_overrides',
        id: agent.id,
        model: { id: 'claude-haiku-5-5', effort: 'low' },
        system: null,
        tools: [{ type: 'agent_toolset_20260401' }],
      },
    });
    expect(session.agent).toMatchObject({
      model: { id: 'claude-haiku-5-5', effort: { type: 'low' } },
      system: null,
      tools: [{ type: 'agent_toolset_20260401', configs: [] }],
    });
    expect(await client.beta.agents.retrieve(agent.id)).toEqual(agent);
  });

  it('puts initial events into the log and wakes a worker', async () => {
    const session = await sessions.create({
      ...base,
      initial_events: [{ type: 'user.message', content: [{ type: 'text', text: 'Hi' }] }],
    });
    const { data } = await sessions.events.list(session.id);
    expect(data).toMatchObject([{ type: 'user.message', processed_at: null, content: [{ type: 'text', text: 'Hi' }] }]);
    expect(server.woken).toContain(session.id);
  });

  it('takes over who may approve, and keeps it when the agent changes', async () => {
    const metadata = { deckhand_owners: 'slack:U1, web:ana', deckhand_approvers: 'slack:U2,slack:U1' };
    const agent = await client.beta.agents.create({
      name: 'o',
      model: 'm',
      metadata: { ...metadata, deckhand_four_eyes: 'true', deckhand_expire_after: '30m' },
    });
    const session = await sessions.create({ ...base, agent: agent.id });
    await client.beta.agents.update(agent.id, { metadata: { deckhand_owners: null } });
    expect(await server.sessions.getSession(server.ref(session.id))).toMatchObject({
      owners: ['slack:U1', 'web:ana'],
      approval_policy: {
        approvers: ['slack:U1', 'web:ana', 'slack:U2'],
        four_eyes: true,
        remind_after_ms: null,
        expire_after_ms: 1_800_000,
      },
    });
  });

  it.each<[number, string, Record<string, unknown>]>([
    [404, 'Agent agent_none', { agent: 'agent_none' }],
    [404, 'Version 9 of agent', { agent: { type: 'agent', id: 'agent_default', version: 9 } }],
    [404, 'Environment env_none', { environment_id: 'env_none' }],
    [400, 'agent.id: ', { agent: { type: 'agent' } }],
    [400, 'agent', { agent: { $gt: '' } }],
    [400, 'environment_id: ', { environment_id: { $ne: null } }],
    [400, 'vault_ids: vaults are not supported yet', { vault_ids: ['vlt_1'] }],
    [400, 'resources.0.type: only files can be', { resources: [{ type: 'memory_store', memory_store_id: 'm' }] }],
    [
      400,
      'resources.0.mount_path: must be a plain',
      { resources: [{ type: 'file', file_id: 'f', mount_path: '/etc' }] },
    ],
    [404, 'File file_none', { resources: [{ type: 'file', file_id: 'file_none' }] }],
    [400, 'budget.max_list_cost.amount: ', { budget: budget('0') }],
    [400, 'budget.max_list_cost.amount: ', { budget: budget('1.5') }],
    [400, 'initial_events.0', { initial_events: [{ type: 'user.interrupt' }] }],
    [400, 'outcomes are not supported yet', { initial_events: [outcome()] }],
  ])('answers %i with "%s" to %j', async (status, words, params) => {
    const error = await refusal(sessions.create({ ...base, ...params }));
    expect(error.status).toBe(status);
    expect(error.apiMessage).toContain(words);
  });

  it('refuses an archived agent or environment, and one that is hosted elsewhere', async () => {
    const agent = await client.beta.agents.create({ name: 'o', model: 'm' });
    await client.beta.agents.archive(agent.id);
    expect((await refusal(sessions.create({ ...base, agent: agent.id }))).apiMessage).toContain('is archived');
    const environment = await client.beta.environments.create({ name: 'e' });
    await client.beta.environments.archive(environment.id);
    const archived = await refusal(sessions.create({ ...base, environment_id: environment.id }));
    expect(archived.apiMessage).toContain('environment_id: ');
    const elsewhere = await client.beta.environments.create({ name: 'e', config: { type: 'self_hosted' } });
    const refused = await refusal(sessions.create({ ...base, environment_id: elsewhere.id }));
    expect(refused.apiMessage).toContain('self_hosted');
  });

  it('keeps a budget only where the cost can be known', async () => {
    const agent = await client.beta.agents.create({ name: 'o', model: 'a-model-of-nobody' });
    const error = await refusal(sessions.create({ ...base, agent: agent.id, budget: budget('100') }));
    expect(error.errorCode).toBe('model_not_budgetable');
  });
});

describe('updating a session', () => {
  it('changes title and metadata, and tells the log what changed', async () => {
    const session = await sessions.create({ ...base, metadata: { a: '1', b: '2' } });
    const updated = await sessions.update(session.id, { title: 'New', metadata: { a: null, c: '3' } });
    expect(updated).toMatchObject({ title: 'New', metadata: { b: '2', c: '3' } });
    await sessions.update(session.id, { title: 'New' });
    const { data } = await sessions.events.list(session.id);
    expect(data).toMatchObject([{ type: 'session.updated', title: 'New', metadata: { b: '2', c: '3' } }]);
    expect(data[0]).not.toHaveProperty('budget');
  });

  it('changes tools only while idle', async () => {
    const session = await sessions.create(base);
    const tools = [{ type: 'custom', name: 't', description: 'd', input_schema: { type: 'object' } }] as const;
    expect((await sessions.update(session.id, { agent: { tools: [...tools] } })).agent.tools).toEqual(tools);
    await append(session.id, running());
    const error = await refusal(sessions.update(session.id, { agent: { tools: [] } }));
    expect(error).toMatchObject({ status: 400 });
    expect(error.apiMessage).toContain('agent: can only change while the session is idle');
  });

  it('raises a budget, and lets a run go on that stopped for it', async () => {
    const session = await sessions.create({ ...base, budget: budget('100') });
    await append(session.id, usage('100'), idle('budget_reached'));
    const refused = await refusal(sessions.update(session.id, { budget: budget('99') }));
    expect(refused).toMatchObject({ status: 400, errorCode: 'budget_not_raised' });
    server.woken.length = 0;
    expect((await sessions.update(session.id, { budget: budget('101') })).budget).toEqual(budget('101'));
    expect(server.woken).toEqual([session.id]);
    expect((await server.log.head(server.ref(session.id))).owed).toBe(true);
  });

  it('takes a budget away for good', async () => {
    const session = await sessions.create({ ...base, budget: budget('100') });
    expect((await sessions.update(session.id, { budget: null })).budget).toBeNull();
    const error = await refusal(sessions.update(session.id, { budget: budget('500') }));
    expect(error.errorCode).toBe('budget_create_only');
  });

  it('loses no update of several at once', async () => {
    const session = await sessions.create(base);
    const patches = Array.from({ length: 6 }, (_, i) => sessions.update(session.id, { metadata: { [`k${i}`]: 'v' } }));
    await Promise.all(patches);
    expect(Object.keys((await sessions.retrieve(session.id)).metadata)).toHaveLength(6);
    expect((await sessions.events.list(session.id)).data).toHaveLength(6);
  });
});

describe('archiving and deleting', () => {
  it('archives what is not running, once, and takes nothing from then on', async () => {
    const session = await sessions.create(base);
    await append(session.id, running());
    expect((await refusal(sessions.archive(session.id))).apiMessage).toContain('user.interrupt');
    await append(session.id, idle());
    const archived = await sessions.archive(session.id);
    expect(archived.archived_at).not.toBeNull();
    expect((await sessions.archive(session.id)).archived_at).toBe(archived.archived_at);
    expect(server.ended).toContain(`archived:${session.id}`);
    expect((await refusal(sessions.update(session.id, { title: 'x' }))).status).toBe(400);
    const late = await refusal(sessions.events.send(session.id, { events: [{ type: 'user.interrupt' }] }));
    expect(late.apiMessage).toContain('archived');
  });

  it('deletes a session with its log', async () => {
    const session = await sessions.create(base);
    await append(session.id, userMessage('x'), running());
    expect((await refusal(sessions.delete(session.id))).status).toBe(400);
    await append(session.id, idle());
    expect(await sessions.delete(session.id)).toEqual({ id: session.id, type: 'session_deleted' });
    expect((await refusal(sessions.retrieve(session.id))).status).toBe(404);
    expect((await refusal(sessions.delete(session.id))).status).toBe(404);
    expect((await refusal(sessions.events.list(session.id))).status).toBe(404);
    expect(await database.db.collection('session_events').countDocuments({ session_id: session.id })).toBe(0);
    expect(server.ended).toContain(`deleted:${session.id}`);
  });

  it('keeps an environment that a session uses', async () => {
    const environment = await client.beta.environments.create({ name: 'e' });
    const session = await sessions.create({ ...base, environment_id: environment.id });
    expect((await refusal(client.beta.environments.delete(environment.id))).status).toBe(409);
    await sessions.delete(session.id);
    expect(await client.beta.environments.delete(environment.id)).toMatchObject({ type: 'environment_deleted' });
  });
});

describe('listing sessions', () => {
  it('pages both ways, filtered and in either order', async () => {
    await using fresh = await testDatabase();
    await using other = await startApiServer(fresh.db);
    const defaults = await ensureDefaults(other);
    const params = { agent: defaults.agent_id, environment_id: defaults.environment_id };
    const list = other.client.beta.sessions;
    const made: BetaManagedAgentsSession[] = [];
    for (let i = 0; i < 7; i++) made.push(await list.create({ ...params, title: `s${i}` }));
    const ids = made.map((session) => session.id);

    const seen: string[] = [];
    for await (const session of list.list({ limit: 3 })) seen.push(session.id);
    expect(seen).toEqual(ids.toReversed());

    const first = await list.list({ limit: 3, order: 'asc' });
    const second = await first.getNextPage();
    expect([first.prev_page, second.data.map((session) => session.id)]).toEqual([null, ids.slice(3, 6)]);
    const back = await list.list({ limit: 3, order: 'asc', page: second.prev_page });
    expect(back.data.map((session) => session.id)).toEqual(ids.slice(0, 3));
    expect(back.prev_page).toBeNull();
    expect((await back.getNextPage()).data.map((session) => session.id)).toEqual(ids.slice(3, 6));

    const [one, two] = [ids[0] ?? '', ids[1] ?? ''];
    await other.log.append({ ...other.ref(one), after: 0, entries: [running()] });
    await other.log.append({ ...other.ref(two), after: 0, entries: [terminated()] });
    const busy = await list.list({ statuses: ['running', 'terminated'], order: 'asc' });
    expect(busy.data.map((session) => session.id)).toEqual([one, two]);

    await list.archive(ids[2] ?? '');
    expect((await list.list()).data).toHaveLength(6);
    expect((await list.list({ include_archived: true })).data).toHaveLength(7);

    await other.client.beta.agents.update(defaults.agent_id, { description: 'changed' });
    const later = await list.create(params);
    const version = await list.list({ agent_id: defaults.agent_id, agent_version: 2 });
    expect(version.data.map((session) => session.id)).toEqual([later.id]);
    expect((await list.list({ agent_id: 'agent_other' })).data).toEqual([]);
    const at = made[5]?.created_at ?? '';
    expect((await list.list({ 'created_at[gt]': at })).data.map((session) => session.id)).not.toContain(ids[5]);
    expect((await list.list({ 'created_at[gte]': at })).data.map((session) => session.id)).toContain(ids[5]);
    expect((await list.list({ 'created_at[lt]': made[0]?.created_at ?? '' })).data).toEqual([]);
    expect((await list.list({ deployment_id: 'depl_1' })).data).toEqual([]);
  });

  it.each([
    ['page', { page: 'nonsense' }],
    ['limit', { limit: 0 }],
    ['limit', { limit: 101 }],
    ['order', { order: 'up' }],
    ['statuses', { statuses: ['asleep'] }],
    ['created_at[gt]', { 'created_at[gt]': 'yesterday' }],
  ])('refuses a bad %s', async (name, query) => {
    const error = await refusal(sessions.list(query as Anthropic.Beta.SessionListParams));
    expect(error.status).toBe(400);
    expect(error.apiMessage).toContain(name);
  });
});

describe('another workspace', () => {
  it('sees nothing of this one', async () => {
    const { key } = await server.keys.create('wrkspc_other', 'other');
    const other = server.clientWith(key);
    const session = await sessions.create(base);
    expect((await refusal(other.beta.sessions.retrieve(session.id))).status).toBe(404);
    expect((await refusal(other.beta.sessions.update(session.id, { title: 'x' }))).status).toBe(404);
    expect((await refusal(other.beta.sessions.archive(session.id))).status).toBe(404);
    expect((await refusal(other.beta.sessions.delete(session.id))).status).toBe(404);
    expect((await refusal(other.beta.sessions.events.list(session.id))).status).toBe(404);
    const events = [{ type: 'user.interrupt' }] as const;
    expect((await refusal(other.beta.sessions.events.send(session.id, { events: [...events] }))).status).toBe(404);
    expect((await refusal(other.beta.sessions.events.stream(session.id))).status).toBe(404);
    expect((await refusal(other.beta.agents.retrieve(base.agent))).status).toBe(404);
    expect((await refusal(other.beta.environments.retrieve(base.environment_id))).status).toBe(404);
    expect((await other.beta.sessions.list()).data).toEqual([]);
    expect((await other.beta.agents.list()).data).toEqual([]);
    expect((await sessions.retrieve(session.id)).title).toBeNull();
  });
});

describe('a session made by Deckhand itself', () => {
  it('exists once for its id', async () => {
    const origin = { id: 'sesn_once', conversation_id: 'conv_1' };
    const racing = Array.from({ length: 4 }, () => server.sessions.create(DEFAULT_WORKSPACE, base, origin));
    const results = await Promise.allSettled(racing);
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    expect(await server.sessions.getSession(server.ref('sesn_once'))).toMatchObject({ conversation_id: 'conv_1' });
  });

  it('shows the age and the last touch of its log', async () => {
    const { id } = await sessions.create(base);
    await append(id, usage('3'));
    const document = await server.sessions.getSession(server.ref(id));
    const touched = document.log.last_event_at ?? new Date(0);
    const shown = toSession(document, [], new Date(document.created_at.getTime() + 5000));
    expect(shown.stats.duration_seconds).toBe(5);
    expect(Date.parse(shown.updated_at)).toBe(Math.max(touched.getTime(), document.updated_at.getTime()));
    expect(shown.usage).toEqual({ list_cost: { amount: '3', currency: 'USD' }, input_tokens: 5 });
  });
});

function budget(amount: string) {
  return { type: 'limit', max_list_cost: { amount, currency: 'USD' } } as const;
}

function outcome() {
  return { type: 'user.define_outcome', description: 'd', rubric: { type: 'text', content: 'r' } };
}
