/** A valid request of one route: what the fuzz begins from. `{…}` stands for an id of the run's own. */
export interface ValidRequest {
  /** Fills the path's parameters, in their order. */
  path?: string[];
  query?: Record<string, string>;
  body?: object;
  /** Its answer, where something about it is wrong on purpose. */
  refused?: number;
}

const toolset = {
  type: 'agent_toolset_20260401',
  default_config: { enabled: true, permission_policy: { type: 'always_ask' } },
  configs: [
    { name: 'bash', enabled: true, permission_policy: { type: 'auto' } },
    { name: 'web_fetch', enabled: false, allowed_domains: ['example.com'], max_content_tokens: 100 },
  ],
};
const custom = {
  type: 'custom',
  name: 'lookup',
  description: 'Looks it up.',
  input_schema: { type: 'object', properties: { q: { type: 'string', enum: ['a', 'b'] } }, required: ['q'] },
};
const mcp = {
  tools: [
    {
      type: 'mcp_toolset',
      mcp_server_name: 'wiki',
      configs: [{ name: 'search', enabled: true }],
      default_config: null,
    },
  ],
  mcp_servers: [{ type: 'url', name: 'wiki', url: 'https://example.com/mcp' }],
};
const agent = {
  name: 'bosun',
  model: { id: 'claude-sonnet-5-5', effort: 'low', speed: 'fast', inference_geo: null },
  description: 'Keeps the deck.',
  system: 'Be brief.',
  metadata: { team: 'ops', deckhand_owners: 'slack:U1', deckhand_remind_after: '5m', deckhand_expire_after: '1h' },
  skills: [{ type: 'custom', skill_id: 'skill_1', version: '1' }],
  tools: [toolset, custom, ...mcp.tools],
  mcp_servers: mcp.mcp_servers,
};
const environment = {
  name: 'quiet',
  description: 'No network.',
  config: {
    type: 'cloud',
    networking: {
      type: 'limited',
      allow_mcp_servers: false,
      allow_package_managers: false,
      allowed_hosts: ['*.example.com'],
    },
    packages: { type: 'packages', apt: [], npm: null },
  },
  metadata: { deckhand_timeout: '30s', deckhand_memory_mb: '256', note: 'x' },
  scope: 'organization',
};
const text = { type: 'text', text: 'Hello.' };
const pixel = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';
const message = {
  type: 'user.message',
  content: [
    text,
    { type: 'image', source: { type: 'base64', media_type: 'image/png', data: pixel } },
    { type: 'image', source: { type: 'file', file_id: '{file}' } },
    {
      type: 'document',
      source: { type: 'text', media_type: 'text/plain', data: 'All of it.' },
      title: 'T',
      context: 'C',
    },
  ],
};
const result = {
  type: 'user.custom_tool_result',
  custom_tool_use_id: '{custom_call}',
  content: [
    text,
    { type: 'search_result', source: 'https://example.com', title: 'T', citations: { enabled: true }, content: [text] },
  ],
  is_error: false,
};
const confirmation = {
  type: 'user.tool_confirmation',
  tool_use_id: '{approval_call}',
  result: 'deny',
  deny_message: 'No.',
};
const budget = { type: 'limit', max_list_cost: { amount: '500', currency: 'USD' } };
const created = { 'created_at[gte]': '2026-01-01T00:00:00Z', 'created_at[lte]': '2036-01-01T00:00:00+02:00' };
const page = 'WzE3NjMwMDAwMDAwMDAsImFnZW50X3giLCJuZXh0Il0';

/** At least one valid request for every route of `/v1`; a test compares the keys with the routers. */
export const V1_ROUTES: Record<string, ValidRequest[]> = {
  'POST /agents': [{ body: agent }, { body: { name: 'n', model: 'claude-sonnet-5-5' } }],
  'GET /agents': [{ query: { limit: '3', page, include_archived: 'true', ...created } }],
  'GET /agents/:id': [{ path: ['{agent}'], query: { version: '1' } }],
  'POST /agents/:id': [
    { path: ['{agent}'], body: { ...agent, version: 1, metadata: { words: null, team: 'ops' } } },
    { path: ['{agent}'], body: { description: null, skills: null } },
  ],
  'POST /agents/:id/archive': [{ path: ['{agent}'] }],
  'GET /agents/:id/versions': [{ path: ['{agent}'], query: { limit: '2', page: 'v2' } }],
  'POST /environments': [{ body: environment }, { body: { name: 'n', config: { type: 'self_hosted' } } }],
  'GET /environments': [{ query: { limit: '3', page, include_archived: 'false' } }],
  'GET /environments/:id': [{ path: ['{environment}'] }],
  'POST /environments/:id': [{ path: ['{environment}'], body: environment }],
  'POST /environments/:id/archive': [{ path: ['{environment}'] }],
  'DELETE /environments/:id': [
    { path: ['{unused_environment}'] },
    // Its session goes on needing it.
    { path: ['{environment}'], refused: 409 },
  ],
  // As JSON: what is no form. Forms have tests of their own.
  'POST /files': [{ body: { file: 'x', expires_in_seconds: 3600 }, refused: 400 }],
  'GET /files': [{ query: { limit: '2', page, scope_id: '{session}' } }, { query: { 'ids[]': '{file}' } }],
  'GET /files/:id': [{ path: ['{file}'] }],
  'GET /files/:id/content': [{ path: ['{file}'] }],
  'DELETE /files/:id': [{ path: ['{file}'] }],
  'POST /sessions': [
    { body: { agent: '{agent}', environment_id: '{environment}' } },
    {
      body: {
        agent: {
          type: 'agent_with_overrides',
          id: '{agent}',
          version: 1,
          model: 'claude-sonnet-5-5',
          system: 's',
          skills: [],
          tools: [custom, ...mcp.tools],
          mcp_servers: mcp.mcp_servers,
        },
        environment_id: '{environment}',
        budget,
        initial_events: [message],
        metadata: { ticket: '7' },
        resources: [{ type: 'file', file_id: '{upload}' }],
        title: 'Seven',
        vault_ids: [],
      },
    },
  ],
  'GET /sessions': [
    {
      query: {
        limit: '2',
        page,
        order: 'asc',
        agent_id: '{agent}',
        agent_version: '1',
        'statuses[]': 'idle',
        include_archived: 'true',
        memory_store_id: 'memstore_1',
        ...created,
        'created_at[gt]': '2026-01-01T00:00:00Z',
      },
    },
    { query: { deployment_id: 'depl_1' } },
  ],
  'GET /sessions/:id': [{ path: ['{session}'] }],
  'POST /sessions/:id': [
    {
      path: ['{session}'],
      body: { title: 'Eight', metadata: { words: null, a: 'b' }, agent: { tools: [custom] }, vault_ids: [] },
    },
  ],
  'POST /sessions/:id/resources': [
    { path: ['{session}'], body: { type: 'file', file_id: '{upload}', mount_path: '/mnt/session/uploads/data.csv' } },
    { path: ['{session}'], body: { type: 'file', file_id: '{upload}', mount_path: null } },
  ],
  'GET /sessions/:id/resources': [{ path: ['{session}'], query: { limit: '2', page } }],
  'GET /sessions/:id/resources/:resource': [{ path: ['{session}', '{resource}'] }],
  'POST /sessions/:id/resources/:resource': [
    { path: ['{session}', '{resource}'], body: { authorization_token: 'x' }, refused: 400 },
  ],
  'DELETE /sessions/:id/resources/:resource': [{ path: ['{session}', '{resource}'] }],
  'POST /sessions/:id/archive': [{ path: ['{session}'] }],
  'DELETE /sessions/:id': [{ path: ['{session}'] }],
  'POST /sessions/:id/events': [
    { path: ['{session}'], body: { events: [message, { type: 'system.message', content: [text] }] } },
    { path: ['{session}'], body: { events: [message, confirmation, result, { type: 'user.interrupt' }] } },
    // Refused for its last event: the ones before it must not stay.
    {
      path: ['{session}'],
      body: { events: [message, confirmation, { ...result, custom_tool_use_id: '{approval_call}' }] },
      refused: 400,
    },
    {
      path: ['{session}'],
      body: { events: [message, { ...confirmation, tool_use_id: '{foreign_approval_call}' }] },
      refused: 400,
    },
    { path: ['{session}'], body: { events: [confirmation, confirmation] }, refused: 400 },
    { path: ['{session}'], body: { events: [{ ...confirmation, result: 'allow', deny_message: null }] } },
    {
      path: ['{session}'],
      body: { events: [{ type: 'user.define_outcome', description: 'd', rubric: { type: 'text', content: 'r' } }] },
      refused: 400,
    },
  ],
  'GET /sessions/:id/events': [
    {
      path: ['{session}'],
      query: { limit: '2', order: 'desc', page: 'ZGVzYzo0', 'types[]': 'user.message', ...created },
    },
    { path: ['{session}'], query: { types: 'deckhand.note' } },
  ],
  'GET /sessions/:id/events/stream': [{ path: ['{session}'], query: { 'event_deltas[]': 'agent.message' } }],
};

/** The same for the page's routes, below `/web`. `{client}` is a new client id. */
export const WEB_ROUTES: Record<string, ValidRequest[]> = {
  'GET /session': [{}],
  'POST /session': [{ body: { name: 'Ana Lima', key: '{key}' } }],
  'DELETE /session': [{}],
  'GET /agents': [{}],
  'GET /conversations': [
    { query: { limit: '3', search: 'hello', before: '1763000000000.conv_0123456789abcdef0123456789abcdef' } },
  ],
  'POST /conversations': [{ body: { client_id: '{client}', agent: '{agent}' } }],
  'GET /conversations/:conversation': [{ path: ['{conversation}'] }],
  'GET /conversations/:conversation/messages': [{ path: ['{conversation}'], query: { before: '9' } }],
  'POST /conversations/:conversation/messages': [
    { path: ['{conversation}'], body: { client_id: '{client}', text: '@deckhand: hello, **you**\n\n- a\n- b' } },
  ],
  'GET /conversations/:conversation/approvals/:approval': [{ path: ['{conversation}', '{approval}'] }],
  'GET /conversations/:conversation/files/:file': [{ path: ['{conversation}', '{file}'] }],
  'POST /conversations/:conversation/decisions': [
    {
      path: ['{conversation}'],
      body: { client_id: '{client}', approval_id: '{approval}', decision: 'deny', reason: 'Too broad.' },
    },
  ],
  'POST /conversations/:conversation/stop': [{ path: ['{conversation}'], body: { client_id: '{client}' } }],
  'GET /events': [{ query: { conversation: '{conversation}', after: '0' } }],
};
