import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let server: ApiServer;
let agents: Anthropic['beta']['agents'];

beforeAll(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
  agents = server.client.beta.agents;
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

describe('creating an agent', () => {
  it('fills in every default', async () => {
    const agent = await agents.create({ name: 'plain', model: 'claude-sonnet-5-5' });
    expect(agent).toMatchObject({
      type: 'agent',
      version: 1,
      name: 'plain',
      model: { id: 'claude-sonnet-5-5', speed: 'standard' },
      description: null,
      system: null,
      tools: [],
      mcp_servers: [],
      skills: [],
      multiagent: null,
      metadata: {},
      execution_identity: { type: 'service_account' },
      archived_at: null,
    });
    expect(await agents.retrieve(agent.id)).toEqual(agent);
  });

  it('resolves the configuration of every tool', async () => {
    const agent = await agents.create({
      name: 'tools',
      model: { id: 'claude-opus-5-5', effort: 'high' },
      mcp_servers: [{ type: 'url', name: 'tracker', url: 'https://mcp.example.com/mcp' }],
      tools: [
        {
          type: 'agent_toolset_20260401',
          default_config: { permission_policy: { type: 'always_ask' } },
          configs: [{ name: 'bash', enabled: false }, { name: 'web_fetch' }],
        },
        { type: 'mcp_toolset', mcp_server_name: 'tracker', configs: [{ name: 'list', permission_policy: null }] },
        { type: 'custom', name: 'ask_db', description: 'Ask', input_schema: { type: 'object', $comment: 'x' } },
      ],
      skills: [{ type: 'custom', skill_id: 'skill_1' }],
    });
    const ask = { type: 'always_ask' };
    expect(agent.model).toEqual({ id: 'claude-opus-5-5', effort: { type: 'high' }, speed: 'standard' });
    expect(agent.tools).toEqual([
      {
        type: 'agent_toolset_20260401',
        default_config: { enabled: true, permission_policy: ask },
        configs: [
          { name: 'bash', type: 'bash', enabled: false, permission_policy: ask },
          { name: 'web_fetch', type: 'web_fetch', enabled: true, permission_policy: ask, url_sources: null },
        ],
      },
      {
        type: 'mcp_toolset',
        mcp_server_name: 'tracker',
        default_config: { enabled: true, permission_policy: ask },
        configs: [{ name: 'list', enabled: true, permission_policy: ask }],
      },
      { type: 'custom', name: 'ask_db', description: 'Ask', input_schema: { type: 'object', $comment: 'x' } },
    ]);
    expect(agent.skills).toEqual([{ type: 'custom', skill_id: 'skill_1', version: 'latest' }]);
    expect(await agents.retrieve(agent.id)).toEqual(agent);
  });

  it('takes no agent with sub-agents, whose approvals could hang it', async () => {
    const multiagent = { type: 'coordinator' as const, agents: [] };
    const { id } = await agents.create({ name: 'alone', model: 'claude-sonnet-5-5' });
    const asked = [
      agents.create({ name: 'many', model: 'claude-sonnet-5-5', multiagent }),
      agents.update(id, { version: 1, multiagent }),
    ];
    for (const error of await Promise.all(asked.map((request) => refusal(request)))) {
      expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
      expect(error.apiMessage).toContain('multiagent is not supported yet');
    }
    expect((await agents.retrieve(id)).multiagent).toBeNull();
  });

  it.each<[string, Record<string, unknown>]>([
    ['name', { name: '' }],
    ['name', { name: 7 }],
    ['model', { model: undefined }],
    ['tools.0.configs.0.permission_policy.type', toolset({ name: 'bash', permission_policy: { type: 'never' } })],
    ['tools.0.configs.0.name', toolset({ name: 'format_disk' })],
    ['tools', { tools: [{ type: 'mcp_toolset', mcp_server_name: 'nowhere' }] }],
    ['mcp_servers', { mcp_servers: [{ type: 'url', name: 'unused', url: 'https://example.com' }] }],
    ['mcp_servers.0.url', { mcp_servers: [{ type: 'url', name: 'a', url: 'file:///etc/passwd' }] }],
    ['tools.0.name', { tools: [{ type: 'custom', name: 'a b', description: 'x', input_schema: { type: 'object' } }] }],
    ['multiagent', { multiagent: { type: 'coordinator', agents: [] } }],
    ['metadata', { metadata: Object.fromEntries(Array.from({ length: 17 }, (_, i) => [`k${i}`, 'v'])) }],
    ['metadata.k', { metadata: { k: 'x'.repeat(513) } }],
    ['metadata.deckhand_owner', { metadata: { deckhand_owner: 'slack:U1' } }],
    ['metadata.deckhand_owners', { metadata: { deckhand_owners: 'Ana' } }],
    ['metadata.deckhand_four_eyes', { metadata: { deckhand_four_eyes: 'yes' } }],
    ['metadata.deckhand_remind_after', { metadata: { deckhand_remind_after: 'soon' } }],
    ['metadata.deckhand_remind_after', { metadata: { deckhand_remind_after: '2h', deckhand_expire_after: '1h' } }],
    ['metadata.deckhand_owners', { metadata: { deckhand_owners: 'slack:group:S1' } }],
    ['metadata.deckhand_approvers', { metadata: { deckhand_approvers: 'slack:channel:C1' } }],
    ['metadata.deckhand_quorum', { metadata: { deckhand_quorum: '1.5' } }],
    ['metadata.deckhand_quorum', { metadata: { deckhand_quorum: '11' } }],
    ['metadata.deckhand_quorum', { metadata: { deckhand_quorum: '2', deckhand_approvers: 'slack:U1' } }],
    ['metadata.deckhand_escalate_to', { metadata: { deckhand_escalate_to: 'Ben', deckhand_escalate_after: '1h' } }],
    ['metadata.deckhand_escalate_to', { metadata: { deckhand_escalate_after: '1h' } }],
    ['metadata.deckhand_escalate_after', { metadata: { deckhand_escalate_to: 'slack:channel:C1' } }],
    [
      'metadata.deckhand_escalate_after',
      {
        metadata: {
          deckhand_escalate_to: 'slack:U1',
          deckhand_escalate_after: '2h',
          deckhand_expire_after: '1h',
        },
      },
    ],
    ['metadata.deckhand_private_detail', { metadata: { deckhand_private_detail: '1' } }],
    ['metadata.deckhand_approve_for_session', { metadata: { deckhand_approve_for_session: 'yes' } }],
    ['system', { system: 'x'.repeat(100_001) }],
  ])('refuses a bad %s and names it', async (path, params) => {
    const body = { name: 'bad', model: 'claude-sonnet-5-5', ...params } as Anthropic.Beta.AgentCreateParams;
    const error = await refusal(agents.create(body));
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(error.apiMessage).toContain(`${path}: `);
  });

  it('names a field that it does not know', async () => {
    const body = { name: 'bad', model: 'm', colour: 'red' } as Anthropic.Beta.AgentCreateParams;
    await expect(agents.create(body)).rejects.toThrow(/colour/);
  });
});

describe('updating an agent', () => {
  it('keeps what is left out, clears what is null, and moves the version once', async () => {
    const before = await agents.create({
      name: 'n',
      model: { id: 'claude-opus-5-5', effort: 'low', speed: 'fast' },
      description: 'd',
      system: 's',
      metadata: { a: '1', b: '2' },
    });
    const after = await agents.update(before.id, {
      description: null,
      model: { id: 'claude-opus-5-5' },
      metadata: { a: null, c: '3' },
    });
    expect(after).toMatchObject({
      version: 2,
      name: 'n',
      system: 's',
      description: null,
      model: { id: 'claude-opus-5-5', effort: { type: 'low' }, speed: 'standard' },
      metadata: { b: '2', c: '3' },
      created_at: before.created_at,
    });
    expect(Date.parse(after.updated_at)).toBeGreaterThanOrEqual(Date.parse(before.updated_at));
  });

  it('does not move the version for nothing', async () => {
    const agent = await agents.create({ name: 'n', model: 'm', tools: [{ type: 'agent_toolset_20260401' }] });
    expect(await agents.update(agent.id, {})).toEqual(agent);
    expect(await agents.update(agent.id, { name: 'n', tools: [{ type: 'agent_toolset_20260401' }] })).toEqual(agent);
  });

  it('refuses a stale version with a 409', async () => {
    const agent = await agents.create({ name: 'n', model: 'm' });
    await agents.update(agent.id, { name: 'o', version: 1 });
    const error = await refusal(agents.update(agent.id, { name: 'p', version: 1 }));
    expect(error).toMatchObject({ status: 409, type: 'conflict_error' });
    expect((await agents.retrieve(agent.id)).name).toBe('o');
  });

  it('lets one of several updates of the same version through', async () => {
    const agent = await agents.create({ name: 'n', model: 'm' });
    const racing = Array.from({ length: 8 }, (_, i) => agents.update(agent.id, { name: `n${i}`, version: 1 }));
    const results = await Promise.allSettled(racing);
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    expect((await agents.retrieve(agent.id)).version).toBe(2);
  });

  it('loses none of several updates without a version', async () => {
    const agent = await agents.create({ name: 'n', model: 'm' });
    await Promise.all(Array.from({ length: 6 }, (_, i) => agents.update(agent.id, { metadata: { [`k${i}`]: 'v' } })));
    const after = await agents.retrieve(agent.id);
    expect(after.version).toBe(7);
    expect(Object.keys(after.metadata)).toHaveLength(6);
  });
});

describe('versions', () => {
  it('keeps every one as it was', async () => {
    const agent = await agents.create({ name: 'v1', model: 'm' });
    for (const name of ['v2', 'v3', 'v4', 'v5']) await agents.update(agent.id, { name });
    expect((await agents.retrieve(agent.id, { version: 2 })).name).toBe('v2');
    expect((await agents.retrieve(agent.id, { version: 5 })).name).toBe('v5');
    const names: string[] = [];
    for await (const version of agents.versions.list(agent.id, { limit: 2 })) names.push(version.name);
    expect(names).toEqual(['v5', 'v4', 'v3', 'v2', 'v1']);
    await expect(agents.retrieve(agent.id, { version: 6 })).rejects.toBeInstanceOf(Anthropic.NotFoundError);
  });
});

describe('listing and archiving', () => {
  it('pages through all, newest first, without what is archived', async () => {
    await using fresh = await testDatabase();
    await using other = await startApiServer(fresh.db);
    const { agents: list } = other.client.beta;
    const made: string[] = [];
    for (let i = 0; i < 7; i++) made.push((await list.create({ name: `a${i}`, model: 'm' })).id);
    const archived = await list.archive(made[3] ?? '');
    expect(archived.archived_at).not.toBeNull();
    const seen: string[] = [];
    for await (const agent of list.list({ limit: 2 })) seen.push(agent.id);
    expect(seen).toEqual(made.filter((id) => id !== archived.id).reverse());
    const all: string[] = [];
    for await (const agent of list.list({ limit: 3, include_archived: true })) all.push(agent.id);
    expect(all).toEqual(made.toReversed());
    const middle = await list.retrieve(made[2] ?? '');
    const late = await list.list({ 'created_at[gte]': middle.created_at, 'created_at[lte]': '2100-01-01T00:00:00Z' });
    expect(late.data.every((agent) => agent.created_at >= middle.created_at)).toBe(true);
    expect((await list.list({ 'created_at[lte]': '2000-01-01T00:00:00+02:00' })).data).toEqual([]);
  });

  it('lets an archived agent change no more, twice archived or not', async () => {
    const agent = await agents.create({ name: 'n', model: 'm' });
    const once = await agents.archive(agent.id);
    expect(await agents.archive(agent.id)).toEqual(once);
    expect(once.version).toBe(1);
    await expect(agents.update(agent.id, { name: 'x' })).rejects.toBeInstanceOf(Anthropic.BadRequestError);
  });
});

function toolset(config: Record<string, unknown>): Record<string, unknown> {
  return { tools: [{ type: 'agent_toolset_20260401', configs: [config] }] };
}
