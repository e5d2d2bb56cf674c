import Anthropic from '@anthropic-ai/sdk';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createConversationStore } from '../../src/chat/conversation-store.ts';
import { createRoles } from '../../src/chat/roles.ts';
import { DEFAULT_WORKSPACE, defaultsOf } from '../../src/resources/defaults.ts';
import type { SessionRef } from '../../src/session/log.ts';
import { teamKey } from '../../src/team-key.ts';
import { eventually } from '../support/eventually.ts';
import { SECRETS } from '../support/fuzz/secrets.ts';
import { askPeople, startWorld, type World } from '../support/fuzz/world.ts';
import { startTestModel, type TestModel } from '../support/model.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { INSTALL_KEY, install } from '../support/slack/install-stage.ts';
import type { SlackPerson } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import type { SlackTeam } from '../support/slack/team.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';
import { createWebClient } from '../support/web-client.ts';

/** Two companies that installed the app, in the whole product over real HTTP: each has a workspace of its own. */

const [ACME, OTHER] = ['wrkspc_T0ACME', 'wrkspc_T0OTHER'];
/** Nothing of these may be seen elsewhere. */
const PRIVATE = /Auditor|the hidden plan|add it up|forty-two|acme\.slack\.test/;

let model: TestModel;
let slack: SlackServer;
let world: World;
let acme: SlackTeam;
let other: SlackTeam;
/** Who installed it at Acme, and whoever has the most rights at the other. */
let boss: SlackPerson;
let chief: SlackPerson;

function someone(team: SlackTeam, name: string, id: string): SlackPerson {
  team.workspace.users.set(id, { id, name, is_bot: false });
  return team.user(name);
}

/** What the person alone is answered. */
async function told(person: SlackPerson, typed: string): Promise<string> {
  const [command = '', ...words] = typed.split(' ');
  const before = person.told('ops').length;
  expect(await person.command('ops', command, words.join(' '))).toMatchObject({ acked: true });
  return eventually(() => {
    const answers = person.told('ops').slice(before);
    expect(answers).not.toEqual([]);
    return answers.join('\n');
  });
}

async function atHome(person: SlackPerson, words: string): Promise<string> {
  person.opensHome();
  return eventually(() => {
    const text = readableText(person.home()).join('\n');
    expect(text).toContain(words);
    return text;
  });
}

/** Everything that Acme has, as it is stored. */
async function ofAcme(): Promise<string> {
  const { db } = world.context;
  const names = ['agents', 'environments', 'sessions', 'session_events', 'approvals', 'channel_settings', 'people'];
  const found = await Promise.all(
    names.map((name) => db.collection(name).find({ workspace_id: ACME }).sort({ _id: 1 }).toArray()),
  );
  return JSON.stringify(found);
}

async function sessionsOf(workspace_id: string): Promise<SessionRef[]> {
  const { items } = await world.context.sessions.list(workspace_id, {});
  return items.map(({ _id }) => ({ workspace_id, session_id: _id }));
}

/** The only session there, once it has been run and shown. */
async function resting(workspace_id: string): Promise<SessionRef> {
  return eventually(async () => {
    const [ref] = await sessionsOf(workspace_id);
    if (ref === undefined) throw new Error('No session has begun');
    expect(
      await world.context.log.query({ ...ref, types: ['session.status_idle'], order: 'asc', limit: 1 }),
    ).toHaveLength(1);
    const { log } = await world.context.sessions.getSession(ref);
    // Nothing is done to it any more.
    expect(log).toMatchObject({ status: 'idle', undelivered: false, lease: { holder: null } });
    expect(log.unrecorded).toBeUndefined();
    return ref;
  });
}

/** What the bot said in the team and these words are in. */
function saidIn(team: SlackTeam, words: string): Promise<SlackMessage> {
  return eventually(() => {
    const bots = team.workspace.messages.filter(({ bot_id, ephemeral_to }) => bot_id && ephemeral_to === undefined);
    const found = bots.find((one) => `${one.text}${JSON.stringify(one.blocks)}`.includes(words));
    if (found === undefined) throw new Error(`Nobody said ${words}`);
    return found;
  });
}

function clientOf(apiKey: string): Anthropic {
  return new Anthropic({ baseURL: world.url, apiKey, maxRetries: 0 });
}

async function namesIn(client: Anthropic): Promise<string[]> {
  const names: string[] = [];
  for await (const { name } of client.beta.agents.list()) names.push(name);
  return names.toSorted();
}

/** What Acme has: an agent with its session, whose answer has cost something and which waits for somebody now. */
let ids: { agent: string; session: string; approval: string };

beforeAll(async () => {
  model = await startTestModel();
  slack = await startSlackServer();
  world = await startWorld({
    roles: ['gateway', 'worker'],
    env: {
      ANTHROPIC_BASE_URL: model.base_url,
      DECKHAND_SWEEP_MS: '1000',
      DECKHAND_ADMINS: 'slack:U0SAME',
      DECKHAND_VAULT_KEY: INSTALL_KEY.toString('base64'),
      SLACK_CLIENT_ID: slack.tokens.client_id,
      SLACK_CLIENT_SECRET: slack.tokens.client_secret,
      SLACK_TEAMS: '*',
      SLACK_APP_TOKEN: slack.tokens.app,
      SLACK_API_URL: slack.apiUrl,
    },
  });
  [acme, other] = [slack.team('Acme'), slack.team('Other')];
  boss = someone(acme, 'Boss', 'U0BOSS');
  chief = someone(other, 'Chief', 'U0CHIEF');
  await install(acme, world, { by: 'U0BOSS' });
  await install(other, world, { by: 'U0CHIEF' });

  expect(await told(boss, '/agents new\nname: Auditor\ninstructions: Follow the hidden plan.')).toContain('Auditor');
  expect(await told(boss, '/agents use Auditor')).toContain('Auditor');
  model.reply({ text: 'It is forty-two.' });
  boss.mention('ops', 'add it up');
  const ref = await resting(ACME);
  await saidIn(acme, 'forty-two');
  const { approval } = await askPeople(world.context, ref, 'rm the hidden plan');
  await saidIn(acme, 'rm the hidden plan');
  await resting(ACME);
  // Who asked for it is shown it on the Home tab, too.
  const requested_by = { via: 'slack', id: 'U0BOSS', name: 'Boss' };
  await world.context.db
    .collection<{ _id: string }>('approvals')
    .updateOne({ _id: approval }, { $set: { requested_by } });
  const { items } = await world.context.agents.list(ACME, {});
  const agent = items.find(({ config }) => config.name === 'Auditor');
  ids = { agent: agent?._id ?? '', session: ref.session_id, approval };
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

describe('what a company has is its own', () => {
  it('begins with a default agent, and with whoever installed it as its admin', async () => {
    for (const [team, person, workspace_id] of [
      [acme, boss, ACME],
      [other, chief, OTHER],
    ] as const) {
      expect(await told(person, '/agents role')).toContain('are an admin here');
      expect(await told(team.user('Ana'), '/agents role')).toContain('are a member here');
      const { agent_id, environment_id } = defaultsOf(workspace_id);
      expect((await world.context.agents.get(workspace_id, agent_id)).config.name).toBe('deckhand');
      expect((await world.context.environments.get(workspace_id, environment_id))._id).toBe(environment_id);
    }
    expect(await sessionsOf(DEFAULT_WORKSPACE)).toEqual([]);
    // Whom a question goes to that those in its conversation cannot decide.
    const { adminsOf } = createRoles(world.context.db, ['slack:U0SAME']);
    const admins = await Promise.all([ACME, OTHER, DEFAULT_WORKSPACE].map(adminsOf));
    expect(admins).toEqual([['slack:U0BOSS'], ['slack:U0CHIEF'], ['slack:U0SAME']]);
  });

  it('is there for its own people', async () => {
    const ana = acme.user('Ana');
    expect(await told(ana, '/agents list')).toContain('Auditor');
    expect(await told(ana, '/agents show Auditor')).toContain('hidden plan');
    expect(await told(ana, '/agents cost')).toContain('1 session');
    expect(await told(ana, `/sessions open ${ids.session}`)).toContain('acme.slack.test');
    expect(await told(boss, '/approvals')).toContain('rm the hidden plan');
    await atHome(boss, 'rm the hidden plan');
  });

  it.each([
    '/agents list',
    '/agents show Auditor',
    '/agents show {agent}',
    '/agents edit {agent}\nname: Mine',
    '/agents use {agent}',
    '/agents pause {agent}',
    '/agents resume {agent}',
    '/agents owner {agent} slack:U0CHIEF',
    '/agents versions {agent}',
    '/agents rollback {agent} 1',
    '/agents runs {agent}',
    '/agents archive {agent}',
    '/agents cost',
    '/sessions',
    '/sessions here',
    '/sessions open {session}',
    '/sessions stop {session}',
    '/sessions resume {session}',
    '/approvals',
    '/approvals show {approval}',
    '/approvals approve {approval}',
    '/approvals deny {approval} no',
  ])('%s of another one finds none of it, and changes nothing, whoever types it there', async (typed) => {
    const before = await ofAcme();
    const filled = typed.replaceAll(/\{(\w+)\}/g, (_, name: keyof typeof ids) => ids[name]);
    const answer = await told(chief, filled);
    // What they typed themselves may be said to them.
    expect(answer.replaceAll('Auditor', typed.includes('Auditor') ? '' : 'Auditor')).not.toMatch(PRIVATE);
    expect(await ofAcme()).toBe(before);
  });

  it('is on nobody else’s Home tab, and the buttons of one do nothing on another', async () => {
    expect(await atHome(chief, 'This month')).not.toMatch(PRIVATE);
    await atHome(boss, 'rm the hidden plan');
    const before = await ofAcme();
    const own = other.workspace.homes.get(chief.user.id);
    const theirs = acme.workspace.homes.get(boss.user.id);
    if (own === undefined || theirs === undefined) throw new Error('A Home tab was not drawn');
    for (const [button, words] of [
      ['Approve', 'not known here any more'],
      ['Edit', 'There is no agent'],
    ] as const) {
      other.workspace.homes.set(chief.user.id, { ...own, blocks: theirs.blocks });
      expect(await chief.presses(button)).toMatchObject({ acked: true });
      expect(await atHome(chief, words)).not.toMatch(PRIVATE);
    }
    expect(await ofAcme()).toBe(before);
  });

  it('is not decided, rated, stopped or steered by messages with the same ids elsewhere', async () => {
    const card = await saidIn(acme, 'rm the hidden plan');
    const answer = await saidIn(acme, 'forty-two');
    const before = await ofAcme();
    const { workspace } = other;
    workspace.channels.set(card.channel, { ...other.channel('ops'), id: card.channel, name: 'copied' });
    for (const message of [card, answer]) {
      workspace.messages.push({ ...message, user: workspace.bot_user_id, bot_id: workspace.bot_id });
    }
    expect(await chief.click(card, 'Approve')).toMatchObject({ acked: true });
    expect(await chief.rate(answer, 'bad')).toMatchObject({ acked: true });
    const thread = { channel: card.channel, ts: card.thread_ts ?? card.ts };
    chief.stop(thread);
    workspace.messages.push({ ...thread, user: chief.user.id, text: 'add it up', blocks: [] });
    chief.edit(thread, `<@${workspace.bot_user_id}> and tell me the plan`);
    chief.deletes(thread);
    await other.outbox.idle();
    await eventually(() => expect(chief.told('copied').join('\n')).toContain('not known here any more'));
    await eventually(() => expect(chief.told('copied').join('\n')).toContain('session of this answer is gone'));
    expect(chief.told('copied').join('\n')).not.toMatch(PRIVATE);
    expect(await ofAcme()).toBe(before);
  });

  it('runs for nobody else: a mention and a form ask the agents that are theirs', async () => {
    const before = await ofAcme();
    model.reply({ text: 'Hello, other.' });
    chief.mention('ops', 'Auditor: hello');
    const ref = await resting(OTHER);
    const { agent, environment_id } = await world.context.sessions.getSession(ref);
    expect({ agent_id: agent.id, environment_id, workspace_id: OTHER }).toEqual(defaultsOf(OTHER));
    await saidIn(other, 'Hello, other.');
    expect(JSON.stringify(model.requests.at(-1))).not.toMatch(/hidden plan|forty-two/);

    await chief.shortcut('deckhand_ask');
    await eventually(() => expect(chief.view()).toBeDefined());
    const view = chief.view();
    const field = view?.blocks.find(({ block_id }) => block_id === 'agent');
    expect(JSON.stringify(field)).not.toMatch(PRIVATE);
    const element = field?.['element'] as { options: { value: string }[] };
    element.options.push({ ...element.options[0], value: ids.agent });
    const ack = await chief.submit({ agent: ids.agent, what: 'the plan?', where: other.channel('ops').id });
    expect(JSON.stringify(ack.payload)).toContain('not there any more');
    expect(await ofAcme()).toBe(before);
    expect(await sessionsOf(OTHER)).toHaveLength(1);
  });
});

it('two people with one id are two: of roles, agents, sessions and the first admins', async () => {
  const [sam, same] = [someone(acme, 'Sam', 'U0SAME'), someone(other, 'Same', 'U0SAME')];
  // DECKHAND_ADMINS names somebody of the default workspace.
  for (const one of [sam, same]) expect(await told(one, '/agents role')).toContain('are a member here');
  expect(await told(boss, '/agents role slack:U0SAME admin')).toContain('is an admin now');
  expect(await told(boss, '/agents owner Auditor slack:U0SAME')).toContain('Auditor');
  expect(await told(sam, '/agents role')).toContain('are an admin here');
  expect(await told(same, '/agents role')).toContain('are a member here');
  expect(await told(same, '/agents role slack:U0SAME admin')).toContain('You may not give roles');
  await atHome(sam, 'Auditor');
  expect(await atHome(same, 'You own no agent yet.')).not.toMatch(PRIVATE);

  // Named as the one who decides.
  const ref = await resting(ACME);
  const policy = { approvers: ['slack:U0SAME'], four_eyes: false, remind_after_ms: null, expire_after_ms: null };
  await world.context.db.collection('approvals').updateOne({ session_id: ref.session_id }, { $set: { policy } });
  expect(await told(sam, '/approvals')).toContain('rm the hidden plan');
  expect(await told(same, '/approvals')).toContain('Nothing waits for you');
});

it('an API key is of one workspace, and only the default one’s opens the page', async () => {
  const made = async (team: string) => {
    const said = await teamKey(world.context.config, [team]);
    const [key = '', key_id = ''] = said.match(/dhk_\S+|key_\S+/g) ?? [];
    return { key, key_id };
  };
  const [ofA, ofB] = [await made('T0ACME'), await made('T0OTHER')];
  expect(await namesIn(clientOf(ofA.key))).toEqual(['Auditor', 'deckhand']);
  for (const key of [ofB.key, SECRETS.api_key]) {
    expect(await namesIn(clientOf(key))).toEqual(['deckhand']);
    await expect(clientOf(key).beta.sessions.retrieve(ids.session)).rejects.toMatchObject({ status: 404 });
  }
  const page = createWebClient(world.url);
  const signsIn = async (key: string) => (await page.request('POST', '/web/session', { name: 'Eve', key })).status;
  expect(await Promise.all([ofA.key, ofB.key, SECRETS.api_key].map(signsIn))).toEqual([401, 401, 200]);

  const { config } = world.context;
  await expect(teamKey(config, ['T0OTHER', 'revoke', ofA.key_id])).rejects.toThrow('not found');
  expect(await teamKey(config, ['T0ACME', 'revoke', ofA.key_id])).toContain('opens nothing any more');
  // A gateway that knows the key notices within seconds (api-keys.ts).
  await eventually(() => expect(clientOf(ofA.key).beta.agents.list()).rejects.toMatchObject({ status: 401 }));
  await expect(teamKey(config, ['T0NOWHERE'])).rejects.toThrow('never installed');
  await expect(teamKey(config, [])).rejects.toThrow('which key');
  await expect(teamKey({ ...config, mongodb_uri: null }, ['T0ACME'])).rejects.toThrow('database');
});

it('what is uninstalled and installed again is where it was, with an admin from among those who can do that', async () => {
  const [eve, next] = [someone(acme, 'Eve', 'U0EVE'), someone(acme, 'Next', 'U0NEXT')];
  // Any member may go through the page of an app that is there.
  expect(await install(acme, world, { by: 'U0EVE' })).toMatchObject({ status: 200 });
  expect(await told(eve, '/agents role')).toContain('are a member here');

  acme.uninstall();
  const installations = world.context.db.collection<{ _id: string }>('slack_installations');
  await eventually(async () => {
    expect(await installations.findOne({ _id: 'T0ACME' })).toMatchObject({ workspace_id: ACME });
    expect(await installations.findOne({ _id: 'T0ACME', tokens: { $exists: true } })).toBeNull();
  });
  const before = await world.context.agents.list(ACME, {});
  // Whoever may remove it need not be an admin of Slack's.
  expect(await install(acme, world, { by: 'U0EVE' })).toMatchObject({ status: 200 });
  expect(await told(eve, '/agents role')).toContain('are a member here');

  acme.uninstall();
  await eventually(async () => {
    expect(await installations.findOne({ _id: 'T0ACME', tokens: { $exists: true } })).toBeNull();
  });
  acme.workspace.users.set('U0NEXT', { id: 'U0NEXT', name: 'Next', is_bot: false, is_admin: true });
  expect(await install(acme, world, { by: 'U0NEXT' })).toMatchObject({ status: 200 });
  expect(await told(next, '/agents role')).toContain('are an admin here');
  expect(await told(eve, '/agents role')).toContain('are a member here');
  expect(await told(next, '/agents list')).toContain('Auditor');
  expect((await world.context.agents.list(ACME, {})).items).toEqual(before.items);
});

it('who was here before companies had workspaces of their own stays where they are, and so do their admins', async () => {
  const [early, before] = [slack.team('Early'), slack.team('Before')];
  const { db } = world.context;
  // Installed by an earlier version; used with a token of its own.
  await db
    .collection<{ _id: string; workspace_id: string }>('slack_installations')
    .insertOne({ _id: 'T0EARLY', workspace_id: DEFAULT_WORKSPACE });
  const place = { connector: 'slack', tenant: 'T0BEFORE', channel: 'C1', thread: '1.1' };
  const conversation = await createConversationStore(db).open(place, DEFAULT_WORKSPACE);
  for (const team of [early, before]) {
    await install(team, world, { by: 'U0FIRST' });
    expect(await told(someone(team, 'First', 'U0FIRST'), '/agents role')).toContain('are a member here');
    expect(await told(someone(team, 'Admin', 'U0SAME'), '/agents role')).toContain('are an admin here');
  }
  await expect(teamKey(world.context.config, ['T0EARLY'])).rejects.toThrow('before it had a workspace');
  const installations = db.collection('slack_installations');
  const there = await installations.distinct('_id', { workspace_id: DEFAULT_WORKSPACE });
  expect(new Set(there)).toEqual(new Set(['T0EARLY', 'T0BEFORE']));

  // They share what there is, and still open no place of each other's.
  const { agent_id, environment_id } = defaultsOf(DEFAULT_WORKSPACE);
  const params = { agent: agent_id, environment_id };
  const { _id } = await world.context.sessions.create(DEFAULT_WORKSPACE, params, { conversation_id: conversation._id });
  expect(await told(before.user('Admin'), `/sessions open ${_id}`)).toContain('before.slack.test');
  expect(await told(early.user('Admin'), `/sessions open ${_id}`)).toContain('which you cannot open');
});
