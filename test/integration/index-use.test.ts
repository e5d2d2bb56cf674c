import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { createHomes } from '../../connectors/slack/homes.ts';
import { createMessageStore } from '../../connectors/web/message-store.ts';
import type { Approval } from '../../src/approvals/approval.ts';
import { createApprovalStore } from '../../src/approvals/approval-store.ts';
import { createChannelSettings } from '../../src/chat/channel-settings.ts';
import { laneOf } from '../../src/chat/conversation-store.ts';
import { createCursorStore } from '../../src/chat/delivery-cursor.ts';
import { createInboundIndexes, createInboundStore } from '../../src/chat/inbound-store.ts';
import { createRoles } from '../../src/chat/roles.ts';
import { loadConfig } from '../../src/config.ts';
import { type Deckhand, startDeckhand } from '../../src/deckhand.ts';
import { FilesFullError } from '../../src/errors.ts';
import { CHECKPOINT_EVENTS } from '../../src/harness/state-cache.ts';
import { silentLogger } from '../../src/logger.ts';
import { createCosts } from '../../src/resources/costs.ts';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { CHUNK_BYTES } from '../../src/resources/file-chunks.ts';
import { createFiles } from '../../src/resources/file-store.ts';
import { createSeal } from '../../src/seal.ts';
import { createCheckpointStore } from '../../src/session/checkpoint-store.ts';
import { emptyState } from '../../src/session/session-state.ts';
import { pendingOf } from '../support/approvals.ts';
import { approvalOut, textOut } from '../support/cards.ts';
import { said } from '../support/chat-stage.ts';
import { crowd } from '../support/crowd.ts';
import { note } from '../support/entries.ts';
import { eventually } from '../support/eventually.ts';
import { startTestModel, type TestModel } from '../support/model.ts';
import { monitored, planOf, type QueryRecorder, queryPlaces, recordQueries } from '../support/queries.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';
import { INSTALL_KEY, install, startInstallGateway } from '../support/slack/install-stage.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { createWebClient } from '../support/web-client.ts';

const KEY = 'test-key-0123456789abcdef';
const PATIENCE_MS = 20_000;

let data_dir: string;
let database: TestDatabase;
let recorder: QueryRecorder;
let model: TestModel;
let slack: SlackServer;
let house: Deckhand;
let client: Anthropic;

/** A whole house lives for a while, everything that it can be asked included; the tests look at what it sent. */
beforeAll(async () => {
  database = await testDatabase();
  recorder = recordQueries(database.name);
  data_dir = await mkdtemp(join(tmpdir(), 'deckhand-queries-'));
  model = await startTestModel();
  slack = await startSlackServer();
  const config = loadConfig({
    PORT: '0',
    DECKHAND_DATA_DIR: data_dir,
    DECKHAND_API_KEY: KEY,
    DECKHAND_LEASE_MS: '60000',
    DECKHAND_SWEEP_MS: '50',
    MONGODB_URI: monitored(inject('mongodb_uri')),
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

  try {
    await manageAgentsAndEnvironments();
    const asked = await workOverTheApi();
    await goOnAfterMuch();
    await listSessions(house.context.defaults.agent_id);
    await chatInSlack();
    await followHomes();
    await installInSlack();
    await askOrganisation();
    await chatOnThePage();
    await finishForTheDead(asked.session);
    await loseRaces();
    await keepFiles(asked.session);
    await endThings(asked);
  } finally {
    await house[Symbol.asyncDispose]();
  }
  await crowd(database.db, 1_000);
}, 300_000);

afterAll(async () => {
  recorder[Symbol.dispose]();
  await slack[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
  await rm(data_dir, { recursive: true, force: true });
  await database[Symbol.asyncDispose]();
});

async function manageAgentsAndEnvironments(): Promise<void> {
  const { agents, environments } = client.beta;
  const first = await agents.create({ name: 'one', model: 'claude-sonnet-5-5' });
  await agents.create({ name: 'two', model: 'claude-sonnet-5-5' });
  let { version } = first;
  for (const system of ['a', 'b', 'c']) ({ version } = await agents.update(first.id, { system, version }));
  await agents.retrieve(first.id, { version: 1 });
  await walk((page) => agents.versions.list(first.id, { limit: 1, ...page }));
  const since = new Date(0).toISOString();
  for (const include_archived of [true, false]) {
    await walk((page) => agents.list({ limit: 1, include_archived, ...page }));
    await walk((page) => agents.list({ limit: 1, include_archived, 'created_at[gte]': since, ...page }));
    await walk((page) => environments.list({ limit: 1, include_archived, ...page }));
  }
  await agents.list({ 'created_at[gte]': since, 'created_at[lte]': since });
  await agents.archive(first.id);
  const spare = await environments.create({ name: 'spare' });
  await environments.update(spare.id, { name: 'still spare' });
  await environments.archive(spare.id);
  await environments.delete(spare.id);
}

/** Two pages of a list, so that its cursor is asked with too. */
async function walk(list: (page: { page?: string }) => PromiseLike<{ next_page: string | null }>): Promise<void> {
  const { next_page } = await list({});
  if (next_page !== null) await list({ page: next_page });
}

async function workOverTheApi(): Promise<{ session: string; environment: string }> {
  const environment = await client.beta.environments.create({ name: 'lab' });
  const agent = await client.beta.agents.create({
    name: 'careful',
    model: 'claude-sonnet-5-5',
    tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_ask' } } }],
    metadata: {
      deckhand_remind_after: '1h',
      deckhand_expire_after: '4h',
      deckhand_escalate_after: '2h',
      deckhand_escalate_to: 'slack:U1',
    },
  });
  const { sessions } = client.beta;
  const { id } = await sessions.create({ agent: agent.id, environment_id: environment.id, title: 'x' });
  const stream = await sessions.events.stream(id);
  await sessions.update(id, { title: 'y' });

  model.reply({ tool_uses: [{ name: 'bash', input: { command: 'rm -rf /workspace/x' } }] });
  await send(id, { type: 'user.message', content: [{ type: 'text', text: 'clean up' }] });
  await restsWith(id, 'requires_action');
  stream.controller.abort();
  // Inputs that a stream was told of before it could keep them.
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id: id };
  const [first] = (await sessions.events.list(id, { limit: 1 })).data;
  expect(await house.context.log.find(ref, [first?.id ?? ''])).toHaveLength(1);
  const since = new Date(0).toISOString();
  const filters = [
    {},
    { types: ['user.message' as const] },
    { 'created_at[gt]': since },
    { types: ['agent.message' as const, 'user.message' as const], 'created_at[lte]': new Date().toISOString() },
  ];
  for (const filter of filters) {
    for (const order of ['asc', 'desc'] as const) {
      await walk((page) => sessions.events.list(id, { limit: 1, order, ...filter, ...page }));
    }
  }
  return { session: id, environment: environment.id };
}

/** A turn of a session with a long log that this worker does not know. */
async function goOnAfterMuch(): Promise<void> {
  const { agent_id, environment_id, workspace_id } = house.context.defaults;
  const { id } = await client.beta.sessions.create({ agent: agent_id, environment_id });
  const ref = { workspace_id, session_id: id };
  for (let after = 0; after < CHECKPOINT_EVENTS; after += 100) {
    const entries = Array.from({ length: 100 }, () => note('x'.repeat(400)));
    await house.context.log.append({ ...ref, after, entries });
  }
  model.reply({ text: 'Here I am.' });
  await send(id, { type: 'user.message', content: [{ type: 'text', text: 'still there?' }] });
  await restsWith(id, 'end_turn');
  await eventually(async () => {
    expect(await database.db.collection('session_checkpoints').countDocuments()).toBe(1);
  }, PATIENCE_MS);
  // And one that is heavier than a document.
  const checkpoints = createCheckpointStore(house.context.db, 1_000);
  await checkpoints.save(ref, { ...emptyState(), seq: 10_000, untold: ['x'.repeat(1_000)] });
  expect(await checkpoints.load(ref)).toMatchObject({ seq: 10_000 });
}

type Sent = Parameters<typeof client.beta.sessions.events.send>[1]['events'][number];

async function send(id: string, event: Sent): Promise<void> {
  await client.beta.sessions.events.send(id, { events: [event] });
}

async function restsWith(id: string, reason: string): Promise<void> {
  await eventually(async () => {
    const last = (await client.beta.sessions.events.list(id, { order: 'desc', limit: 1 })).data[0];
    expect(last).toMatchObject({ type: 'session.status_idle', stop_reason: { type: reason } });
  }, PATIENCE_MS);
}

async function listSessions(agent_id: string): Promise<void> {
  const { sessions } = client.beta;
  const now = new Date().toISOString();
  const filters = [
    {},
    { agent_id },
    { agent_id, agent_version: 1 },
    { statuses: ['idle' as const] },
    { statuses: ['running' as const, 'rescheduling' as const] },
    { statuses: ['terminated' as const] },
    { agent_id, statuses: ['running' as const] },
    { 'created_at[gt]': now, 'created_at[lt]': now },
    { 'created_at[gte]': now, 'created_at[lte]': now },
    { agent_id, 'created_at[lte]': now, statuses: ['idle' as const] },
  ];
  for (const filter of filters) {
    for (const include_archived of [true, false]) {
      for (const order of ['asc', 'desc'] as const) {
        await walk((page) => sessions.list({ limit: 1, order, include_archived, ...filter, ...page }));
      }
    }
  }
}

async function chatInSlack(): Promise<void> {
  const ana = slack.user('Ana');
  model.reply({ text: 'Hello Ana.' });
  const thread = ana.mention('ops', 'hello');
  await heard(thread, 'Hello Ana.');
  await slack.outbox.redeliverLast();
  await ana.command('ops', '/agents', 'list');
  ana.opensHome();
  await eventually(() => {
    expect(ana.told('ops').join()).toContain('answers here');
    expect(JSON.stringify(ana.home())).toContain('My agents');
  }, PATIENCE_MS);

  model.reply({ tool_uses: [{ name: 'bash', input: { command: 'rm x' } }] }, { text: 'Done.' });
  ana.reply(thread, 'remove x', { mention: true });
  const card = await heard(thread, 'Approve');
  await slack.user('Ben').click(card, 'Approve');
  await heard(thread, 'Done.');

  const held = model.replyHeld({ text: 'This is going to take some time, I am afraid.' }, 3);
  ana.reply(thread, 'something long', { mention: true });
  await held.asked;
  ana.stop(thread);
  held.release();
  // Said to others, and taken back.
  ana.deletes(ana.reply(thread, 'never mind'));
  await slack.outbox.idle();
}

/** Somebody's Home tab is out of date, and cannot be drawn. */
async function followHomes(): Promise<void> {
  const homes = createHomes(house.context.db, Date.now);
  const home = await homes.opened('T0ELSEWHERE', 'U0GONE', 'It is being stopped.');
  await homes.putOff(home, 0);
  await homes.claim();
  await homes.drawn(home, 'hash');
  await homes.find(home);
  for (const tenant of [home.tenant, null]) await homes.outdate(tenant, [home.user_id]);
  await homes.forget(home);
}

/** Another Slack, in which many workspaces install the app: one does, is heard, and takes it off again. */
async function installInSlack(): Promise<void> {
  await using many = await startSlackServer();
  const acme = many.team('Acme');
  many.installs.rotate = true;
  const { db } = house.context;
  await using first = await startInstallGateway(many, db, () => createRecordingReceiver());
  await install(acme, first);
  const keys = [randomBytes(32), INSTALL_KEY];
  await using other = await startInstallGateway(many, db, () => createRecordingReceiver(), { seal: createSeal(keys) });
  const { channel, ts } = acme.user('Ana').mention('ops', 'hello');
  await acme.outbox.idle();
  const place = { connector: 'slack', tenant: acme.workspace.team_id, channel, thread: ts };
  await other.connector.post(place, approvalOut('dlv_installed'), AbortSignal.timeout(PATIENCE_MS));
  const card = acme.workspace.messages.at(-1);
  if (card === undefined) throw new Error('There is no card');
  await acme.user('Ana').click(card, 'Approve');
  // A token that ends is renewed, at the second try.
  many.faults.refuse('oauth.v2.access', 'invalid_refresh_token');
  const postsLater = async (words: string) => {
    await many.clock.advance(11 * 3_600_000);
    await other.connector.post(place, textOut(`dlv_${words}`, words), AbortSignal.timeout(PATIENCE_MS));
    await acme.outbox.idle();
  };
  await postsLater('refused');
  const isTold = () => expect(JSON.stringify([first.log, other.log])).toContain('slack token not renewed;');
  await eventually(isTold, PATIENCE_MS);
  await postsLater('renewed');
  acme.uninstall();
  await acme.outbox.idle();
}

/** Who is in an organisation's user group, by a gateway that has heard nothing there. */
async function askOrganisation(): Promise<void> {
  await using many = await startSlackServer();
  const { db } = house.context;
  const branch = many.team('Branch', { id: 'E0CORP', name: 'Corp' });
  await using first = await startInstallGateway(many, db, () => createRecordingReceiver());
  await install(branch, first);
  const { channel } = branch.user('Ana').mention('ops', 'hello');
  await branch.outbox.idle();
  const at = { tenant: 'E0CORP', channel };
  await eventually(async () =>
    expect(await db.collection('slack_channels').findOne({ tenant: 'E0CORP' })).not.toBeNull(),
  );
  await using other = await startInstallGateway(many, db, () => createRecordingReceiver());
  await other.connector.groups?.includes('S1', { id: 'U1', name: 'U1' }, at);
  // And whom it streams an answer to.
  const direct = branch.user('Ana').dm('hello');
  const reader = JSON.stringify(['E0CORP', direct.channel]);
  await branch.outbox.idle();
  await eventually(async () =>
    expect(await db.collection<{ _id: string }>('slack_readers').findOne({ _id: reader })).not.toBeNull(),
  );
  const place = { connector: 'slack', tenant: 'E0CORP', channel: direct.channel, thread: direct.ts };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  await other.connector.post(place, textOut('dlv_streamed', 'There ', true), signal);
  const file = { delivery_id: 'dlv_file', name: 'a.txt', content: 'all', markdown: '', agent_name: 'Deckhand' };
  await other.connector.post(place, { kind: 'file', ...file }, signal);
  await first.connector.find(place, 'dlv_file', signal);
}

function heard(thread: MessagePlace, words: string) {
  return eventually(() => {
    const found = slack.workspace.messages.find(
      (message) => message.thread_ts === (thread.thread_ts ?? thread.ts) && JSON.stringify(message).includes(words),
    );
    if (found === undefined) throw new Error(`Nobody said ${words}:\n${slack.transcript(thread)}`);
    return found;
  }, PATIENCE_MS);
}

async function chatOnThePage(): Promise<void> {
  const ana = createWebClient(house.url ?? '');
  await ana.signIn('Ana', KEY);
  const { id } = await ana.begin();
  await using events = await ana.events(id, 0);
  model.reply({ text: 'A harbour.' }, { tool_uses: [{ name: 'bash', input: { command: 'rm y' } }] }, { text: 'Gone.' });
  await ana.say(id, 'what is this?', 'client-1');
  await ana.say(id, 'what is this?', 'client-1');
  await events.next('message', (message) => message.body.kind === 'text' && message.body.markdown === 'A harbour.');
  await ana.say(id, 'remove y');
  const asked = await events.next('message', (message) => message.body.kind === 'approval');
  if (asked.body.kind !== 'approval') throw new Error('It is no question');
  await ana.decide(id, asked.body.card.approval_id, 'deny', 'no');
  await events.next('message', (message) => message.body.kind === 'text' && message.body.markdown === 'Gone.');
  await ana.open(id);
  await ana.call('GET', `/web/conversations/${id}/messages?before=3&limit=1`);
  for (const client_id of ['begun-once', 'begun-once']) await ana.call('POST', '/web/conversations', { client_id });
  const { next } = await ana.call<{ next: string }>('GET', '/web/conversations?limit=1');
  await ana.call('GET', `/web/conversations?limit=1&before=${next}`);
  await ana.call('GET', `/web/conversations?limit=1&before=${next}&search=harbour`);
  await ana.call('GET', '/web/conversations?search=harbour');
  const ben = createWebClient(house.url ?? '');
  await ben.signIn('Ben', KEY);
  await ben.open(id);
  await ben.request('DELETE', '/web/session');
}

/** What processes that died left behind. */
async function finishForTheDead(session_id: string): Promise<void> {
  const approvals = house.context.db.collection<Approval>('approvals');
  const past = new Date(0);
  // A reminder that is due, then a record that was never written, then a decision that never reached the log.
  await approvals.updateOne({ session_id }, { $set: { remind_at: past } });
  await eventually(async () => expect(await approvals.findOne({ session_id })).toMatchObject({ reminded: 1 }));
  await approvals.updateOne({ session_id }, { $set: { escalate_at: past } });
  await eventually(async () => expect(await approvals.findOne({ session_id })).toMatchObject({ escalations: [{}] }));
  // It reached nobody.
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id };
  const [escalated] = await house.context.log.query({
    ...ref,
    types: ['deckhand.approval_escalated'],
    order: 'asc',
    limit: 1,
  });
  if (escalated?.event.type !== 'deckhand.approval_escalated') throw new Error('Nobody was asked besides');
  await house.context.approvals.nobodyReached(ref, escalated.event);
  // A vote that its process could not bring to the log.
  await approvals.updateOne({ session_id }, { $set: { 'policy.quorum': 2 } });
  const asked = await approvals.findOne({ session_id });
  const vote = { by: { via: 'slack', id: 'U2', name: 'Ben' }, at: past, for_session: false };
  if (asked !== null) await createApprovalStore(house.context.db).vote(asked, vote);
  await eventually(async () =>
    expect(await approvals.findOne({ session_id })).toMatchObject({ votes: [{ appended: true }] }),
  );
  const record = await approvals.findOne({ session_id });
  await approvals.deleteOne({ session_id });
  const by = { via: 'slack', id: 'U1', name: 'Ana' };
  const decision = { workspace_id: DEFAULT_WORKSPACE, by, in_conversation: true } as const;
  await house.context.approvals.decide({ ...decision, approval_id: 'appr_unknown', decision: 'allow' });
  await approvals.deleteOne({ session_id });
  model.reply({ text: 'Not then.' });
  await send(session_id, { type: 'user.tool_confirmation', tool_use_id: record?.tool_use_id ?? '', result: 'deny' });
  await restsWith(session_id, 'end_turn');
  await approvals.updateOne({ session_id }, { $set: { appended: false, 'decision.at': past } });
  await eventually(async () => expect(await approvals.findOne({ session_id })).toMatchObject({ appended: true }));
  await approvals.updateOne({ session_id }, { $set: { status: 'pending', expires_at: past } });
  await eventually(async () =>
    expect(await approvals.findOne({ session_id })).not.toMatchObject({ status: 'pending' }),
  );

  const channels = createChannelSettings(house.context.db);
  const channel = { connector: 'slack', tenant: 'T', channel: 'C' };
  await channels.change(DEFAULT_WORKSPACE, channel, { agent_id: house.context.defaults.agent_id });
  await channels.withAgent(DEFAULT_WORKSPACE, house.context.defaults.agent_id);
  const roles = createRoles(house.context.db, []);
  await roles.give(DEFAULT_WORKSPACE, 'slack:U1', 'admin');
  await roles.roleOf(DEFAULT_WORKSPACE, { actor_id: 'slack:U1' });
  await roles.adminsOf(DEFAULT_WORKSPACE);
  // As one of before months were kept.
  const sessions = house.context.db.collection<{ _id: string }>('sessions');
  const months = { 'log.spent_by': '', 'log.spent_in': '' } as const;
  await sessions.updateOne({ _id: session_id }, { $set: { created_at: past }, $unset: months });
  await createCosts(house.context.db, house.context.log).ofMonth(DEFAULT_WORKSPACE, new Date());
  const started_by = `slack:${slack.user('Ana').user.id}`;
  const lane = laneOf({ ...channel, tenant: 'T0DECKHAND', channel: 'C000000002', thread: '1' });
  for (const mine of [{ started_by }, { lane }]) {
    await walk((page) => house.context.sessions.list(DEFAULT_WORKSPACE, { limit: 1, ...mine, ...page }));
  }

  const inbound = createInboundStore(house.context.db, 30_000);
  const message = said('lost', { conversation: { connector: 'test', tenant: 'T', channel: 'C', thread: '1' } });
  model.reply({ text: 'Found.' });
  const lost = await inbound.keep({ kind: 'message', message });
  if (lost === null) throw new Error('It was kept before');
  await inbound.beat();
  await inbound.release(lost);
  await eventually(() => expect(JSON.stringify(model.requests)).toContain('lost'), PATIENCE_MS);
}

/** What only the slower of two at the same moment asks. */
async function loseRaces(): Promise<void> {
  const { db } = house.context;
  const inbound = createInboundStore(db, 30_000);
  const claimed = await inbound.keep({ kind: 'message', message: said('twice') });
  if (claimed === null) throw new Error('It was kept before');
  await inbound.reread(claimed);
  const target = { workspace_id: DEFAULT_WORKSPACE, session_id: 'sesn_1', after_seq: 0 };
  await inbound.target(claimed, [target]);
  await inbound.target(claimed, [{ ...target, session_id: 'sesn_2' }]);
  await inbound.putOff(claimed, PATIENCE_MS);
  // Stop of a session, a message that is deleted, and Stop of a conversation, which ends this one.
  const { conversation, message_id } = said('twice');
  expect(await inbound.endPutOff({ workspace_id: 'wrkspc_unknown', session_id: 'sesn_unknown' })).toBe(0);
  expect(await inbound.endPutOff({ conversation, message_id })).toBe(0);
  expect(await inbound.endPutOff({ conversation })).toBe(1);
  await inbound.applied(claimed);
  expect(await inbound.isApplied(claimed.inbound)).toBe(true);
  await inbound.forget(claimed);
  await abandonEvents();
  const messages = createMessageStore(db, DEFAULT_WORKSPACE);
  const post = { author: { kind: 'agent', name: 'x' }, body: { kind: 'text', markdown: 'x', live: false } } as const;
  for (const delivery_id of ['dlv_1', 'dlv_1']) await messages.add('conv_1', { ...post, delivery_id });
  await messages.findDelivery('conv_1', 'dlv_1');
}

/** Chat events that nobody is at, where no gateway takes them up. */
async function abandonEvents(): Promise<void> {
  const { db } = house.context;
  const apart = db.client.db(`${db.databaseName}-apart`);
  await createInboundIndexes(apart);
  const inbound = createInboundStore(apart, 30_000);
  const event = { kind: 'message', message: said('left') } as const;
  const left = await inbound.keep(event);
  if (left === null) throw new Error('It was kept before');
  // A write that fails might have happened.
  await expect(inbound.putOff(left, Number.NaN)).rejects.toThrow();
  await inbound.endAbandoned();
  const dying = createInboundStore(apart, 1);
  expect(await dying.keep(event)).not.toBeNull();
  await eventually(async () => expect(await inbound.keep(event)).not.toBeNull());
  await inbound.retryLater(left);
  // Who has said nothing for more than an hour is forgotten.
  await apart
    .collection('inbound_holders')
    .updateMany({ until: { $lte: new Date() } }, { $set: { until: new Date(0) } });
  await inbound.endAbandoned();
  await apart.dropDatabase();
}

async function keepFiles(session_id: string): Promise<void> {
  const files = createFiles(house.context.db, { max_bytes: 100, sign_ms: 0 });
  const file = { workspace_id: DEFAULT_WORKSPACE, session_id, filename: 'x', mime_type: 'text/plain', key: 'k' };
  async function* bytes(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('x');
  }
  for (let twice = 0; twice < 2; twice++) await files.keep({ ...file, purpose: 'upload' }, bytes());
  const own = await files.keep({ ...file, session_id: null, purpose: 'output', key: 'l' }, bytes());
  await files.list(DEFAULT_WORKSPACE, { session_id });
  const { items } = await files.list(DEFAULT_WORKSPACE, { limit: 1 });
  expect(await files.get(DEFAULT_WORKSPACE, items[0]?._id ?? '')).toEqual(own);
  expect(await files.among(DEFAULT_WORKSPACE, [own._id, 'file_0'])).toEqual([own]);
  for await (const piece of files.read(own)) expect(piece).toHaveLength(1);
  await files.remove(DEFAULT_WORKSPACE, own._id);
  await files.keep({ ...file, session_id: null, purpose: 'output', key: 'l' }, bytes());
  expect(await files.uploads({ workspace_id: DEFAULT_WORKSPACE, session_id })).toHaveLength(1);
  await fillRoom();
  const { sessions } = client.beta;
  const { agent, environment_id } = await sessions.retrieve(session_id);
  const unknown = { type: 'file' as const, file_id: 'file_0' };
  await sessions.create({ agent: agent.id, environment_id, resources: [unknown] }).catch(() => undefined);
  const { data } = await sessions.resources.list(session_id);
  for (const one of data) if (one.type === 'file') await sessions.resources.retrieve(one.id, { session_id });
}

/** One file takes all the room there is; it and its session leave none behind. */
async function fillRoom(): Promise<void> {
  const { db } = house.context;
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id: 'sesn_full' };
  await db
    .collection<{ _id: string; workspace_id: string }>('sessions')
    .insertOne({ _id: ref.session_id, workspace_id: ref.workspace_id });
  const room = { session: CHUNK_BYTES, workspace: Number.POSITIVE_INFINITY };
  const files = createFiles(db, { max_bytes: 2 * CHUNK_BYTES, room });
  const keep = (size: number) =>
    files.keep(
      { ...ref, filename: 'x', mime_type: 'text/plain', purpose: 'upload' },
      (async function* bytes() {
        yield Buffer.alloc(size);
      })(),
    );
  await keep(CHUNK_BYTES);
  await expect(keep(1)).rejects.toThrow(FilesFullError);
  const roomy = createFiles(db, { max_bytes: 2 * CHUNK_BYTES });
  await roomy.remove(DEFAULT_WORKSPACE, (await roomy.uploads(ref))[0]?._id ?? '');
  // More is taken ahead than a file turns out to have.
  const about = { workspace_id: DEFAULT_WORKSPACE, session_id: null, filename: 'x', mime_type: 'text/plain' };
  await roomy.keep(
    { ...about, purpose: 'upload' },
    (async function* bytes() {
      yield Buffer.alloc(CHUNK_BYTES);
    })(),
  );
  await db.collection<{ _id: string }>('sessions').deleteOne({ _id: ref.session_id });
}

async function endThings(made: { session: string; environment: string }): Promise<void> {
  const { sessions, environments } = client.beta;
  const ref = { workspace_id: DEFAULT_WORKSPACE, session_id: made.session };
  const claimed = await house.context.log.claim(ref, 'wkr_1', 60_000);
  if (claimed === null) throw new Error('The session does not rest');
  expect(await house.context.log.claim(ref, 'wkr_2', 60_000)).toBeNull();
  await house.context.log.renew(claimed.lease, 60_000);
  await house.context.log.release(claimed.lease);
  const cursors = createCursorStore(house.context.db);
  await eventually(async () => {
    const cursor = await cursors.acquire(made.session, DEFAULT_WORKSPACE, 'wkr_1', 60_000);
    expect(cursor).not.toBeNull();
    if (cursor === null) return;
    expect(await cursors.renew(cursor, 60_000)).not.toBeNull();
    expect(await cursors.renew({ ...cursor, token: cursor.token - 1 }, 60_000)).toBeNull();
  });
  await pendingOf(house.context.approvals, DEFAULT_WORKSPACE);
  await pendingOf(house.context.approvals, DEFAULT_WORKSPACE, made.session);
  await environments.delete(made.environment).catch(() => undefined);
  await sessions.archive(made.session);
  await sessions.delete(made.session);
  await sessions.delete(made.session).catch(() => undefined);
  expect(await house.context.ended.among([made.session, 'sesn_open'])).toEqual([made.session]);
  const key = await house.context.keys.create(DEFAULT_WORKSPACE, 'spare');
  await house.context.keys.revoke(DEFAULT_WORKSPACE, key.key_id);
}

/** Queries that may look at more than they give back, and sort it; by an index, as every other one. */
const WIDE = [
  // Words that somebody searches for, in the titles of their own conversations and in at most 1,000 of these.
  { part: '"title":"RegExp"' },
  // What a month has cost: a sum over its sessions, remembered for a minute.
  { part: '"aggregate":"sessions"' },
  { part: '"body.markdown":"RegExp"' },
];

describe('every query of a running house', () => {
  it('was sent', () => {
    const missing = queryPlaces().filter(({ place }) => !recorder.places.has(place));
    expect(missing).toEqual([]);
  });

  it('finds by an index, in the index’s order, and looks at no more than it gives back', async () => {
    const wrong: object[] = [];
    for (const [shape, command] of recorder.commands) {
      const { steps, examined, returned } = await planOf(database.db, command);
      // A few more than it gives back: a page's first, a place that was just left, the ends of an index's ranges.
      const isWide = examined > 3 * returned + 20;
      const mayBeWide = WIDE.some(({ part }) => shape.includes(part));
      const isScan = steps.some(({ stage }) => stage === 'COLLSCAN');
      if (isScan || (!mayBeWide && (isWide || steps.some(({ stage }) => stage === 'SORT')))) {
        wrong.push({ shape, examined, returned, steps: steps.map(({ stage, index }) => `${stage} ${index ?? ''}`) });
      }
    }
    expect(wrong).toEqual([]);
  });

  it('leaves no index without a use', async () => {
    const used = new Set<string>();
    for (const command of recorder.commands.values()) {
      const collection = Object.values(command)[0];
      for (const { index } of (await planOf(database.db, command)).steps) used.add(`${collection}.${index}`);
    }
    const unused: string[] = [];
    for (const { name } of await database.db.listCollections().toArray()) {
      for (const index of await database.db.collection(name).indexes()) {
        // The first kind keeps doubles out, the second lets MongoDB delete what is old.
        if (index.unique === true || index.expireAfterSeconds !== undefined || index.name === '_id_') continue;
        if (!used.has(`${name}.${index.name}`)) unused.push(`${name}.${index.name}`);
      }
    }
    expect(unused).toEqual([]);
  });
});
