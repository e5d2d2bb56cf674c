import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parseButtonValue } from '../../connectors/slack/approval-blocks.ts';
import { type Connector, PostRefusedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import { approvalOut } from '../support/cards.ts';
import { asks } from '../support/chat-events.ts';
import { type ChatStage, chatStage } from '../support/chat-stage.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';
import { buttonsOf } from '../support/slack/block-limits.ts';
import { startSlackHarness } from '../support/slack/harness.ts';
import { type InstallGateway, install, startInstallGateway } from '../support/slack/install-stage.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import type { SlackTeam } from '../support/slack/team.ts';
import { userGroup } from '../support/slack/workspace.ts';

const signal = AbortSignal.timeout(60_000);

let database: TestDatabase;
let slack: SlackServer;
let acme: SlackTeam;
let other: SlackTeam;
const opened: AsyncDisposable[] = [];

beforeEach(async () => {
  database = await testDatabase();
  slack = await startSlackServer();
  acme = slack.team('Acme');
  other = slack.team('Other');
});

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

interface Gateway extends InstallGateway {
  receiver: RecordingReceiver;
}

async function gateway(over: Parameters<typeof startInstallGateway>[3] = {}): Promise<Gateway> {
  const receiver = createRecordingReceiver();
  const one = await startInstallGateway(
    slack,
    database.db,
    (connector) => {
      receiver.connector = connector;
      return receiver;
    },
    over,
  );
  opened.push(one);
  return { ...one, receiver };
}

function keyOf(tenant: string, place: MessagePlace): ConversationKey {
  return { connector: 'slack', tenant, channel: place.channel, thread: place.thread_ts ?? place.ts };
}

const text = (markdown: string) => ({
  kind: 'text' as const,
  delivery_id: `dlv_${markdown}`,
  agent_name: 'Helper',
  markdown,
  live: false,
});

async function saysIn(team: SlackTeam, words: string): Promise<ConversationKey> {
  const place = team.user('Ana').mention('ops', words);
  await team.outbox.idle();
  return keyOf(team.workspace.enterprise?.id ?? team.workspace.team_id, place);
}

/** Tenants that have a token. */
const installed = () => database.db.collection('slack_installations').distinct('_id', { tokens: { $exists: true } });

async function refusalOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof PostRefusedError)) throw new Error(`Expected a refusal, got ${String(error)}`);
  return error.reason;
}

describe.each(['socket', 'http'] as const)('two workspaces in mode %s', (mode) => {
  it('are each heard, asked and answered with their own token', async () => {
    const { connector, receiver, ...one } = await gateway({ mode });
    await install(acme, one);
    await install(other, one);
    const [here, there] = [await saysIn(acme, 'hello from acme'), await saysIn(other, 'hello from other')];
    expect(receiver.messages.map(({ conversation }) => conversation)).toEqual([here, here, there, there]);
    expect(receiver.messages.map(({ sender }) => sender.name)).toEqual(['Ana', 'Ana', 'Ana', 'Ana']);

    await connector.post(here, text('for acme'), signal);
    await connector.post(there, text('for other'), signal);
    expect(acme.transcript({ channel: here.channel, ts: here.thread })).toContain('deckhand: for acme');
    expect(other.transcript({ channel: there.channel, ts: there.thread })).toContain('deckhand: for other');
    for (const { args, team_id } of slack.journal.filter(({ method }) => method !== 'oauth.v2.access')) {
      const said = JSON.stringify(args);
      if (said.includes(here.channel)) expect(team_id).toBe('T0ACME');
      if (said.includes(there.channel)) expect(team_id).toBe('T0OTHER');
    }
    expect(connector.linkTo?.(here)).toContain('https://acme.slack.test/archives/');
    expect(connector.linkTo?.(there)).toContain('https://other.slack.test/archives/');
  });
});

it('what comes from where the app is not installed is acknowledged, and nothing else', async () => {
  const { receiver, log } = await gateway();
  await saysIn(other, 'hello?');
  expect(other.outbox.attempts.map(({ acked }) => acked)).toEqual([true, true]);
  expect(receiver.messages).toEqual([]);
  expect(JSON.stringify(log)).toContain('where the app is not installed');
  expect(slack.journal.filter(({ method }) => method !== 'apps.connections.open')).toEqual([]);
});

it('with one token a team is in the default workspace, unless it had one of its own before', async () => {
  const { db } = database;
  const workspaceBy = async (from: typeof db | null) => {
    const harness = await startSlackHarness(createRecordingReceiver(), () => ({ db: from }));
    opened.push(harness);
    return harness.connector.workspaceOf?.('T0DECKHAND');
  };
  expect([await workspaceBy(null), await workspaceBy(db)]).toEqual([null, null]);
  await install(slack.team('Deckhand'), await gateway());
  expect([await workspaceBy(null), await workspaceBy(db)]).toEqual([null, 'wrkspc_T0DECKHAND']);
});

it('names and guests are asked of the tenant, also where two people have one id', async () => {
  const { connector, ...one } = await gateway();
  await install(acme, one);
  await install(other, one);
  const id = 'U0SAME';
  acme.workspace.users.set(id, { id, name: 'Ana of Acme', is_bot: false });
  other.workspace.users.set(id, { id, name: 'Otto', is_bot: false, is_restricted: true });
  const person = { id, name: id };
  for (const [tenant, name, guest] of [
    ['T0ACME', 'Ana of Acme', false],
    ['T0OTHER', 'Otto', true],
  ] as const) {
    expect(await connector.nameOf(person, tenant)).toBe(name);
    expect(await connector.isGuest?.(person, tenant)).toBe(guest);
    expect(await connector.readable(`<@${id}>`, tenant)).toBe(`@${name}`);
  }
  expect(await connector.nameOf(person, null)).toBe(id);
  expect(await connector.isGuest?.(person, 'T0NOWHERE')).toBe(true);
});

it('a click belongs to the workspace whose bot posted the card, whoever clicks in a shared channel', async () => {
  const { connector, receiver, ...one } = await gateway();
  await install(acme, one);
  await install(other, one);
  const here = await saysIn(acme, 'clean up');
  await connector.post(here, approvalOut('dlv_card'), signal);
  const card = acme.workspace.messages.find(({ blocks }) => buttonsOf(blocks).length > 0);
  if (card === undefined) throw new Error('There is no card');
  // Slack names the team of whoever clicked.
  const otto = other.user('Otto').user;
  const { channel, thread } = here;
  const payload = {
    type: 'block_actions',
    team: { id: 'T0OTHER', domain: 'other' },
    is_enterprise_install: false,
    enterprise: null,
    api_app_id: 'A0DECKHAND',
    user: { id: otto.id, team_id: 'T0OTHER' },
    container: { type: 'message', message_ts: card.ts, channel_id: channel },
    trigger_id: '1.2.x',
    channel: { id: channel, name: 'ops' },
    message: { ts: card.ts, thread_ts: thread, bot_id: card.bot_id },
    actions: [{ ...buttonsOf(card.blocks)[0], action_ts: '9.9' }],
  };
  expect(await slack.outbox.interaction({ type: 'interactive', payload })).toMatchObject({ acked: true });
  expect(receiver.decisions.map(({ conversation }) => conversation)).toEqual([here]);
});

describe('an uninstalled workspace', () => {
  it('is forgotten at every gateway, and what is posted there is refused for good', async () => {
    const [one, two] = [await gateway(), await gateway()];
    await install(acme, one);
    await install(other, one);
    const here = await saysIn(acme, 'hello');
    for (const { connector } of [one, two]) await connector.post(here, text(`from ${connector.name}`), signal);
    acme.uninstall();
    await eventually(async () => expect(await installed()).toEqual(['T0OTHER']));
    for (const { connector } of [one, two]) {
      expect(await refusalOf(connector.post(here, text('late'), signal))).toContain('not_installed');
      expect(await refusalOf(connector.find(here, 'dlv_late', signal))).toContain('not_installed');
    }
    const logged = [...one.log, ...two.log].filter(({ msg }) => String(msg).includes('not installed here any more'));
    expect(logged).toMatchObject([{ tenant: 'T0ACME' }]);
    expect(await other.user('Otto').command('ops', '/agents', 'list')).toMatchObject({ acked: true });
  });

  it('is found out by the first call when Slack said nothing', async () => {
    const { connector, ...one } = await gateway();
    await install(acme, one);
    const here = await saysIn(acme, 'hello');
    acme.endTokens('token_revoked');
    expect(await refusalOf(connector.post(here, text('late'), signal))).toContain('not_installed');
    expect(await installed()).toEqual([]);
    const asked = slack.journal.length;
    expect(await refusalOf(connector.post(here, text('later'), signal))).toContain('not_installed');
    expect(slack.journal).toHaveLength(asked);
  });

  it('that installs the app again is not forgotten because of what came late', async () => {
    const [one, two] = [await gateway(), await gateway()];
    await install(acme, one);
    const here = await saysIn(acme, 'hello');
    await two.connector.post(here, text('before'), signal);
    acme.endTokens();
    await install(acme, one);
    // A gateway that knows the old token finds the new one.
    await two.connector.post(here, text('again at the second'), signal);
    // The word of the first end comes now.
    acme.outbox.event({ type: 'app_uninstalled' });
    acme.outbox.event({ type: 'tokens_revoked', tokens: { oauth: [], bot: ['U0ACME'] } });
    await acme.outbox.idle();
    for (const { connector } of [one, two]) await connector.post(here, text('again'), signal);
    expect(await installed()).toEqual(['T0ACME']);
  });

  it('is forgotten as well when its token had ended before, of an app that nobody used', async () => {
    const one = await gateway({ mode: 'http' });
    await install(acme, one);
    acme.endTokens('token_expired');
    acme.outbox.event({ type: 'app_uninstalled' });
    await eventually(async () => expect(await installed()).toEqual([]));
    expect(acme.outbox.attempts.map(({ acked }) => acked)).toEqual([true]);
  });

  it('is asked about again when Slack could not be asked', async () => {
    const one = await gateway({ mode: 'http' });
    await install(acme, one);
    acme.endTokens();
    slack.faults.fail('auth.test', 503);
    acme.outbox.event({ type: 'app_uninstalled' });
    // Not acknowledged, Slack says it again.
    await eventually(() => expect(acme.outbox.attempts.map(({ acked }) => acked)).toEqual([false, true]));
    expect(await installed()).toEqual([]);
  });
});

it('an organisation installs once for all of its workspaces, and a stream names the one in which somebody reads', async () => {
  const { connector, receiver, ...one } = await gateway();
  const team = slack.team('Branch', { id: 'E0CORP', name: 'Corp' });
  expect(await install(team, one)).toMatchObject({ text: expect.stringContaining('installed in Corp') });
  const place = team.user('Ana').dm('hello');
  await team.outbox.idle();
  const here = keyOf('E0CORP', place);
  expect(receiver.messages).toMatchObject([{ conversation: here }]);
  await connector.post(here, { ...text('one word'), live: true }, signal);
  const [stream] = slack.journal.filter(({ method }) => method === 'chat.startStream');
  expect(stream).toMatchObject({ outcome: 'ok', args: { recipient_team_id: 'T0BRANCH' } });
  await connector.groups?.includes('S1', { id: 'U1', name: 'U1' }, here);
  expect(slack.journal.at(-1)).toMatchObject({ method: 'usergroups.users.list', args: { team_id: 'T0BRANCH' } });
  expect(await team.user('Ana').command('ops', '/agents', 'list')).toMatchObject({ acked: true });
  expect(receiver.commands).toMatchObject([{ conversation: { tenant: 'E0CORP' } }]);
});

it('an organisation’s user groups are known after a restart, by the workspace in which somebody wrote', async () => {
  const first = await gateway();
  const team = slack.team('Branch', { id: 'E0CORP', name: 'Corp' });
  await install(team, first);
  const here = await saysIn(team, 'hello');
  const [ana, ben] = [team.user('Ana').user, team.user('Ben').user];
  const group = userGroup(team.workspace, 'oncall', ana);
  await first[Symbol.asyncDispose]();

  const { connector } = await gateway();
  expect(await connector.groups?.includes(group, { id: ana.id, name: 'Ana' }, here)).toBe(true);
  expect(await connector.groups?.includes(group, { id: ben.id, name: 'Ben' }, here)).toBe(false);
  // Asked in a channel in which nobody wrote: the card of an escalation, for one.
  const elsewhere = { ...here, channel: 'C0ELSEWHERE' };
  const second = userGroup(team.workspace, 'leads', ben);
  expect(await connector.groups?.includes(second, { id: ben.id, name: 'Ben' }, elsewhere)).toBe(true);
  // Slack refuses what is asked of a workspace that has left.
  const gone = { tenant: 'E0CORP', team_id: 'T0GONE' };
  await database.db.collection('slack_channels').insertOne(gone);
  expect(await connector.groups?.nameOf(group, 'E0CORP')).toBe('oncall');
  const reached = await connector.reach?.({ kind: 'group', id: group }, { tenant: 'E0CORP' }, signal);
  expect(reached?.places).toMatchObject([{ conversation: { tenant: 'E0CORP', channel: expect.stringMatching(/^D/) } }]);
});

it('a token that ends is renewed before it does, and stays sealed', async () => {
  slack.installs.rotate = true;
  const one = await gateway();
  await install(acme, one);
  const [first = ''] = slack.installs.tokensOf(acme.workspace);
  const soon = Math.floor(Date.now() / 1_000) + 600;
  await database.db.collection('slack_installations').updateOne({}, { $set: { 'bot.expires_at': soon } });
  const two = await gateway();
  const here = await saysIn(acme, 'hello');
  await two.connector.post(here, text('renewed'), signal);
  await eventually(async () => {
    const stored = await database.db.collection('slack_installations').findOne();
    expect(stored?.['bot'].expires_at).toBeGreaterThan(soon);
  });
  const tokens = slack.installs.tokensOf(acme.workspace);
  expect(tokens).toHaveLength(2);
  slack.installs.end(first, 'token_expired');
  for (const { connector } of [one, two]) await connector.post(here, text('and on'), signal);
  const [document] = await database.db.collection('slack_installations').find().toArray();
  for (const token of tokens) expect(JSON.stringify([document, one.log, two.log])).not.toContain(token);
});

describe('in the whole house', () => {
  let stage: ChatStage;
  let connector: Connector;
  let log: InstallGateway['log'];

  beforeEach(async () => {
    stage = await chatStage(database.db, async (_name, tenant) => (await connector.workspaceOf?.(tenant)) ?? '');
    const connectors = new Map<string, Connector>();
    const one = await startInstallGateway(slack, database.db, (made) => {
      connectors.set('slack', made);
      return stage.receiver({ connectors }).service;
    });
    opened.push(one);
    ({ connector, log } = one);
    await install(acme, one);
    await install(other, one);
  });

  it('a card of one workspace cannot be decided from another, by nobody and in no way', async () => {
    const deliverer = stage.deliverer(createPlatform(), 'gateway_1', { connectors: new Map([['slack', connector]]) });
    opened.push({ [Symbol.asyncDispose]: () => deliverer.stop() });
    const thread = acme.user('Ana').mention('ops', 'clean up');
    await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
    const [ref] = await stage.refs();
    if (ref === undefined) throw new Error('There is no session');
    const tool = newId('sevt');
    await stage.append(ref, ...asks(derivedId('appr', tool), tool, {}));
    await stage.approvals.record(ref, await stage.log.read(ref));
    const cardIn = () => acme.workspace.messages.find(({ blocks }) => buttonsOf(blocks).length > 0);
    await eventually(() => expect(cardIn()).toBeDefined());
    const card = cardIn();
    const button = buttonsOf(card?.blocks ?? [])[0];
    expect(parseButtonValue(String(button?.value))?.approval_id).toMatch(/^appr_/);

    // The same button, in a message of the other workspace's bot, in a channel and thread with the same ids.
    const { workspace } = other;
    workspace.channels.set(thread.channel, { ...other.channel('ops'), id: thread.channel });
    const copy = { ts: workspace.nextTs(), channel: thread.channel, user: workspace.bot_user_id, text: '' };
    workspace.messages.push({ ...copy, bot_id: workspace.bot_id, thread_ts: thread.ts, blocks: card?.blocks ?? [] });
    const otto = other.user('Otto');
    expect(await otto.click(copy, 'Approve')).toMatchObject({ acked: true });
    const told = () => workspace.messages.filter(({ ephemeral_to }) => ephemeral_to === otto.user.id);
    await eventually(() => expect(JSON.stringify(told())).toContain('not known here any more'));
    expect(await stage.entries('deckhand.approval_decided')).toEqual([]);

    if (card === undefined) throw new Error('There is no card');
    await acme.user('Ben').click(card, 'Approve');
    await eventually(async () => expect(await stage.entries('deckhand.approval_decided')).toHaveLength(1));
  });

  it('a session of a workspace that is gone is not tried for ever, and says so in the log', async () => {
    const deliverer = stage.deliverer(createPlatform(), 'gateway_1', { connectors: new Map([['slack', connector]]) });
    opened.push({ [Symbol.asyncDispose]: () => deliverer.stop() });
    acme.user('Ana').mention('ops', 'hello');
    await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
    const [ref] = await stage.refs();
    if (ref === undefined) throw new Error('There is no session');
    acme.uninstall();
    await acme.outbox.idle();
    await stage.append(ref, { type: 'agent.message', content: [{ type: 'text', text: 'an answer' }] });
    const sessions = database.db.collection<{ _id: string; log: { undelivered?: unknown } }>('sessions');
    await eventually(async () => {
      const session = await sessions.findOne({ _id: ref.session_id });
      expect(session?.log.undelivered ?? false).toBe(false);
    });
    expect(log.filter(({ msg }) => String(msg).includes('not installed here any more'))).toHaveLength(1);
    expect(acme.workspace.messages.some(({ bot_id }) => bot_id !== undefined)).toBe(false);
  });
});
