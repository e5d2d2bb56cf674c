import type Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { workspaceLimitsOf } from '../../../src/resources/environment-config.ts';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

let database: TestDatabase;
let server: ApiServer;
let environments: Anthropic['beta']['environments'];

beforeAll(async () => {
  database = await testDatabase();
  server = await startApiServer(database.db);
  environments = server.client.beta.environments;
});

afterAll(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const limited = (hosts: string[]) => ({
  type: 'limited',
  allow_mcp_servers: false,
  allow_package_managers: false,
  allowed_hosts: hosts,
});

describe('an environment', () => {
  it('has no network unless it says so', async () => {
    const environment = await environments.create({ name: 'plain' });
    expect(environment).toMatchObject({
      type: 'environment',
      name: 'plain',
      description: null,
      metadata: {},
      scope: 'organization',
      archived_at: null,
      config: { type: 'cloud', networking: limited([]), packages: { apt: [], pip: [] } },
    });
    expect(await environments.retrieve(environment.id)).toEqual(environment);
  });

  it('keeps what an update leaves out', async () => {
    const { id } = await environments.create({
      name: 'n',
      description: 'd',
      metadata: { a: '1', b: '2' },
      config: { type: 'cloud', networking: { type: 'limited', allowed_hosts: ['api.example.com'] } },
    });
    const updated = await environments.update(id, {
      description: '',
      metadata: { a: '', c: '3' },
      config: { type: 'cloud', networking: { type: 'limited', allow_mcp_servers: true } },
    });
    expect(updated).toMatchObject({
      name: 'n',
      description: '',
      metadata: { b: '2', c: '3' },
      config: { networking: { ...limited(['api.example.com']), allow_mcp_servers: true } },
    });
    const open = await environments.update(id, { config: { type: 'cloud', networking: { type: 'unrestricted' } } });
    expect(open.config).toMatchObject({ networking: { type: 'unrestricted' } });
    expect((await environments.update(id, { name: 'm', description: null })).description).toBeNull();
  });

  it('sets limits through metadata', async () => {
    const metadata = {
      deckhand_memory_mb: '512',
      deckhand_cpus: '0.5',
      deckhand_timeout: '2m',
      deckhand_processes: '64',
    };
    const environment = await environments.create({ name: 'n', metadata });
    expect(workspaceLimitsOf(environment)).toEqual({
      memory_bytes: 512 * 1024 * 1024,
      cpus: 0.5,
      timeout_ms: 120_000,
      processes: 64,
    });
  });

  it.each<[string, Record<string, unknown>]>([
    ['name', { name: ' ' }],
    ['config.type', { config: { type: 'moon' } }],
    ['config.networking.allowed_hosts.0', networking(['http://x'])],
    ['config.networking.allowed_hosts.0', networking(['a b'])],
    ['config.packages.pip: installing packages', { config: { type: 'cloud', packages: { pip: ['x'] } } }],
    ['scope', { scope: 'account' }],
    ['metadata.deckhand_memory_mb', { metadata: { deckhand_memory_mb: 'lots' } }],
    ['metadata.deckhand_memory_mb', { metadata: { deckhand_memory_mb: '1' } }],
    ['metadata.deckhand_timeout', { metadata: { deckhand_timeout: '5' } }],
    ['metadata.deckhand_ram', { metadata: { deckhand_ram: '5' } }],
  ])('refuses a bad %s', async (path, params) => {
    const body = { name: 'n', ...params } as Anthropic.Beta.EnvironmentCreateParams;
    const error = await refusal(environments.create(body));
    expect(error).toMatchObject({ status: 400, type: 'invalid_request_error' });
    expect(error.apiMessage).toContain(path);
  });

  it('cannot become another kind', async () => {
    const { id } = await environments.create({ name: 'n' });
    const error = await refusal(environments.update(id, { config: { type: 'self_hosted' } }));
    expect(error.errorCode).toBe('invalid_config_type_change');
  });

  it('loses none of several updates', async () => {
    const { id } = await environments.create({ name: 'n' });
    await Promise.all(Array.from({ length: 6 }, (_, i) => environments.update(id, { metadata: { [`k${i}`]: 'v' } })));
    expect(Object.keys((await environments.retrieve(id)).metadata)).toHaveLength(6);
  });

  it('is listed until it is archived, and gone when deleted', async () => {
    await using fresh = await testDatabase();
    await using other = await startApiServer(fresh.db);
    const { environments: list } = other.client.beta;
    const ids: string[] = [];
    for (let i = 0; i < 5; i++) ids.push((await list.create({ name: `e${i}` })).id);
    await list.archive(ids[0] ?? '');
    expect((await refusal(list.update(ids[0] ?? '', { name: 'x' }))).errorCode).toBe('environment_archived');
    expect(await list.delete(ids[1] ?? '')).toEqual({ id: ids[1], type: 'environment_deleted' });
    expect((await refusal(list.delete(ids[1] ?? ''))).status).toBe(404);
    const seen: string[] = [];
    for await (const environment of list.list({ limit: 2 })) seen.push(environment.id);
    expect(seen).toEqual([ids[4], ids[3], ids[2]]);
    const all = await list.list({ include_archived: true });
    expect(all.data.map((environment) => environment.id)).toEqual([ids[4], ids[3], ids[2], ids[0]]);
  });
});

function networking(allowed_hosts: string[]) {
  return { config: { type: 'cloud', networking: { type: 'limited', allowed_hosts } } };
}
