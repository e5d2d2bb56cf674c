import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import Anthropic from '@anthropic-ai/sdk';
import { inject } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import type { Context } from '../../../src/context.ts';
import { type Deckhand, type Role, startDeckhand } from '../../../src/deckhand.ts';
import { mountFile, toResource } from '../../../src/resources/session-resources.ts';
import type { SessionEvent } from '../../../src/session/event.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { UPLOADS } from '../../../src/session/mounts.ts';
import { fold } from '../../../src/session/state.ts';
import { testDatabase } from '../services.ts';
import { keptLog } from './logged.ts';
import { SECRETS } from './secrets.ts';
import { createStoreWatch, type StoreWatch } from './store-watch.ts';

export const FOREIGN_WORKSPACE = 'wrkspc_other';

/** The whole product in this process, over real HTTP, with two workspaces and recognisable secrets. */
export interface World extends AsyncDisposable {
  url: string;
  context: Context;
  /** Of the default workspace. */
  client: Anthropic;
  /** What stands for the placeholders of another workspace's ids; lives as long as the world. */
  foreign: Record<string, string>;
  stores: StoreWatch;
  /** Everything that was logged since it was last asked for. */
  takeLog(): string;
}

export async function startWorld(options: { roles?: Role[]; env?: Record<string, string> } = {}): Promise<World> {
  const database = await testDatabase();
  const data_dir = await mkdtemp(join(tmpdir(), 'deckhand-fuzz-'));
  const { logger, takeLog } = keptLog();
  const config = loadConfig({
    PORT: '0',
    DECKHAND_DATA_DIR: data_dir,
    DECKHAND_API_KEY: SECRETS.api_key,
    MONGODB_URI: inject('mongodb_uri'),
    MONGODB_DATABASE: database.name,
    REDIS_URL: inject('redis_url'),
    // Nothing answers there: a run says so in words.
    ANTHROPIC_API_KEY: SECRETS.anthropic_key,
    ANTHROPIC_BASE_URL: 'http://127.0.0.1:9',
    // Nothing happens by itself between two looks at the stores.
    DECKHAND_SWEEP_MS: '600000',
    ...options.env,
  });
  const deckhand: Deckhand = await startDeckhand(config, logger, options.roles ?? ['gateway']);
  const { context } = deckhand;
  const url = deckhand.url ?? '';
  const foreign = await makeResources(context, FOREIGN_WORKSPACE, SECRETS.foreign_name);
  const stores = await createStoreWatch(database.db);

  return {
    url,
    context,
    client: new Anthropic({ baseURL: url, apiKey: SECRETS.api_key, maxRetries: 0 }),
    foreign: Object.fromEntries(Object.entries(foreign).map(([name, id]) => [`foreign_${name}`, id])),
    stores,
    takeLog,
    async [Symbol.asyncDispose]() {
      await deckhand[Symbol.asyncDispose]();
      await rm(data_dir, { recursive: true, force: true });
      await database[Symbol.asyncDispose]();
    },
  };
}

/**
 * One of each in a workspace: a session that waits for a person and for a client's tool, with a file that its agent made and
 * one that is mounted in it. Returns their ids.
 */
export async function makeResources(
  context: Context,
  workspace_id: string,
  words: string,
): Promise<Record<string, string>> {
  const agent = await context.agents.create(workspace_id, {
    name: words,
    system: words,
    model: 'claude-sonnet-5-5',
    metadata: { words },
    tools: [
      { type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_ask' } } },
      { type: 'custom', name: 'lookup', description: words, input_schema: { type: 'object' } },
    ],
  });
  const environment = await context.environments.create(workspace_id, { name: words, description: words });
  const unused = await context.environments.create(workspace_id, { name: words, description: words });
  const params = { agent: agent._id, environment_id: environment._id, title: words, metadata: { words } };
  const session = await context.sessions.create(workspace_id, params);
  const ref = { workspace_id, session_id: session._id };
  const event = newId('sevt');
  const content = [{ type: 'text' as const, text: words }];
  await context.log.append({
    ...ref,
    after: 0,
    owed: false,
    entries: [{ event: { id: event, processed_at: new Date().toISOString(), type: 'user.message', content } }],
  });
  const calls = await askPeople(context, ref, words);
  const about = { ...ref, filename: words, mime_type: 'text/plain', purpose: 'output' as const };
  const bytes = () => Readable.from([Buffer.from(words)]);
  const file = await context.files.keep(about, bytes());
  const own = { ...about, session_id: null, purpose: 'upload' as const };
  const upload = await context.files.keep(own, bytes());
  const mount = { type: 'file' as const, file_id: upload._id, mount_path: `${UPLOADS}/${words}` };
  const resource = toResource(await mountFile(context.files, ref, mount));
  return {
    agent: agent._id,
    environment: environment._id,
    unused_environment: unused._id,
    session: session._id,
    event,
    file: file._id,
    upload: upload._id,
    resource: resource.id,
    ...calls,
  };
}

/**
 * The session waits for a person's approval and for the result of a client's tool, as after a turn that took up what had been
 * said.
 */
export async function askPeople(
  context: Context,
  ref: SessionRef,
  words: string,
): Promise<{ approval: string; approval_call: string; custom_call: string }> {
  const [approval_call, custom_call] = [newId('sevt'), newId('sevt')];
  const approval = derivedId('appr', approval_call);
  const [approval_use, custom_use] = ['toolu_approval', 'toolu_custom'];
  const { seq, queued } = fold(await context.log.read(ref));
  const stamp = () => ({ id: newId('sevt'), processed_at: new Date().toISOString() });
  const events: SessionEvent[] = [
    { ...stamp(), type: 'deckhand.input_processed', event_ids: queued.map(({ event_id }) => event_id) },
    {
      ...stamp(),
      type: 'deckhand.model_reply',
      model: 'claude-sonnet-5-5',
      content: [
        { type: 'tool_use', id: approval_use, name: 'bash', input: { command: words } },
        { type: 'tool_use', id: custom_use, name: 'lookup', input: { words } },
      ],
      stop_reason: 'tool_use',
      tool_use_events: { [approval_use]: approval_call, [custom_use]: custom_call },
      cost_micro_usd: 0,
    },
    {
      ...stamp(),
      id: approval_call,
      type: 'agent.tool_use',
      name: 'bash',
      input: { command: words },
      evaluated_permission: 'ask',
    },
    {
      ...stamp(),
      type: 'deckhand.approval_requested',
      approval_id: approval,
      tool_use_id: approval_call,
      tool_name: 'bash',
      summary: words,
      detail: words,
      requested_by: null,
      policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
    },
    { ...stamp(), id: custom_call, type: 'agent.custom_tool_use', name: 'lookup', input: { words } },
    {
      ...stamp(),
      type: 'session.status_idle',
      stop_details: null,
      stop_reason: { type: 'requires_action', event_ids: [approval_call, custom_call] },
    },
  ];
  const entries = await context.log.append({
    ...ref,
    after: seq,
    owed: false,
    entries: events.map((event) => ({ event })),
  });
  await context.approvals.record(ref, entries);
  return { approval, approval_call, custom_call };
}
