import { randomBytes } from 'node:crypto';
import { MongoClient, MongoError } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSlackConnector, type SlackConnector } from '../../connectors/slack/index.ts';
import { createSeal } from '../../src/seal.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';
import { slackOptions } from '../support/slack/harness.ts';
import {
  createBrowser,
  INSTALL_KEY,
  type InstallGateway,
  install,
  redirectOf,
  startInstallGateway,
  workspacesOf,
} from '../support/slack/install-stage.ts';
import { manifest } from '../support/slack/manifest.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';

let database: TestDatabase;
let slack: SlackServer;
const gateways: InstallGateway[] = [];

beforeEach(async () => {
  database = await testDatabase();
  slack = await startSlackServer();
});

afterEach(async () => {
  for (const one of gateways.splice(0)) await one[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function gateway(over: Parameters<typeof startInstallGateway>[3] = {}): Promise<InstallGateway> {
  const receiver = (_connector: SlackConnector) => createRecordingReceiver();
  const one = await startInstallGateway(slack, database.db, receiver, over);
  gateways.push(one);
  return one;
}

const stored = () => database.db.collection('slack_installations').find().toArray();
const calls = (method: string) => slack.journal.filter((call) => call.method === method);

describe('installing the app', () => {
  it('asks Slack for the scopes of the manifest, keeps the token sealed, and says what to do next', async () => {
    const one = await gateway();
    const acme = slack.team('Acme');
    const browser = createBrowser();
    const { status, location } = await browser.get(`${one.url}/slack/install`);
    expect(status).toBe(302);
    const asked = new URL(location);
    expect(asked.pathname).toBe('/oauth/v2/authorize');
    expect(asked.searchParams.get('scope')?.split(',')).toEqual(manifest.oauth_config.scopes.bot);

    const page = await browser.get(`${one.url}/slack/oauth_redirect?${acme.allows(location)}`);
    expect(page).toMatchObject({ status: 200, text: expect.stringContaining('Deckhand is installed in Acme') });
    expect(page.text).toContain('invite @deckhand');
    const [document] = await stored();
    expect(document).toMatchObject({
      _id: 'T0ACME',
      workspace_id: 'wrkspc_T0ACME',
      bot: { id: 'B0ACME', user_id: 'U0ACME' },
      url: 'https://acme.slack.test/',
    });
    const [token] = slack.installs.tokensOf(acme.workspace);
    expect(token).toMatch(/^xoxb-/);
    for (const secret of [token, slack.tokens.client_secret]) {
      expect(JSON.stringify(document)).not.toContain(secret);
      expect(JSON.stringify(one.log)).not.toContain(secret);
    }
  });

  it('takes a state once', async () => {
    const one = await gateway();
    const browser = createBrowser();
    const { location } = await browser.get(`${one.url}/slack/install`);
    const first = slack.team('Acme').allows(location);
    const second = slack.team('Other').allows(location);
    const cookieOf = createBrowser();
    expect((await browser.get(`${one.url}/slack/oauth_redirect?${first}`)).status).toBe(200);
    for (const again of [browser, cookieOf]) {
      const page = await again.get(`${one.url}/slack/oauth_redirect?${second}`);
      expect(page).toMatchObject({ status: 400, text: expect.stringContaining('does not work any more') });
    }
    expect(await stored()).toHaveLength(1);
    expect(calls('oauth.v2.access')).toHaveLength(1);
  });

  it('takes a state only in the browser that began, so that nobody can be made to finish what somebody else began', async () => {
    const one = await gateway();
    const redirect = await redirectOf(slack.team('Acme'), one, { browser: createBrowser() });
    const another = createBrowser();
    await another.get(`${one.url}/slack/install`);
    for (const browser of [createBrowser(), another]) {
      expect(await browser.get(redirect)).toMatchObject({
        status: 400,
        text: expect.stringContaining('in the browser'),
      });
    }
    expect(calls('oauth.v2.access')).toEqual([]);
    expect(await stored()).toEqual([]);
  });

  it('may begin at one gateway and end at another, and at both it ends once', async () => {
    const [one, two] = [await gateway(), await gateway()];
    const acme = slack.team('Acme');
    expect(await install(acme, one, { to: two })).toMatchObject({ status: 200 });

    // The same browser opens the same address twice at the same moment: the cookie is there both times.
    const began = await fetch(`${one.url}/slack/install`, { redirect: 'manual' });
    const cookie = /^[^;]+/.exec(began.headers.getSetCookie()[0] ?? '')?.[0] ?? '';
    const back = acme.allows(began.headers.get('location') ?? '');
    const answers = await Promise.all(
      [one, two].map(({ url }) => fetch(`${url}/slack/oauth_redirect?${back}`, { headers: { cookie } })),
    );
    expect(answers.map(({ status }) => status).sort((a, b) => a - b)).toEqual([200, 400]);
  });

  it('refuses a state that is too old', async () => {
    const one = await gateway();
    const browser = createBrowser();
    const redirect = await redirectOf(slack.team('Acme'), one, { browser });
    await database.db.collection('slack_install_states').updateMany({}, { $set: { expires_at: new Date(0) } });
    expect(await browser.get(redirect)).toMatchObject({ status: 400 });
    expect(await stored()).toEqual([]);
  });

  it.each([
    ['error=access_denied', 200, 'Nothing was installed'],
    ['code=x', 400, 'Something is missing'],
    ['', 400, 'Something is missing'],
    ['code=x&state=%3Cscript%3E', 400, 'does not work any more'],
  ])('answers ?%s in words', async (query, status, words) => {
    const one = await gateway();
    const page = await createBrowser().get(`${one.url}/slack/oauth_redirect?${query}`);
    expect(page).toMatchObject({ status, text: expect.stringContaining(words) });
    expect(page.text).not.toContain('<script>');
    expect(page.text).toContain('href="/slack/install"');
  });

  it('says that it did not work when Slack does not answer, and the log says why', async () => {
    const one = await gateway();
    slack.faults.refuse('oauth.v2.access', 'bad_client_secret');
    expect(await install(slack.team('Acme'), one)).toMatchObject({
      status: 502,
      text: expect.stringContaining('did not work just now'),
    });
    expect(JSON.stringify(one.log)).toContain('bad_client_secret');
    expect(await stored()).toEqual([]);
  });

  it('gives the token of a workspace back that may not install it, and says who can let it in', async () => {
    const one = await gateway({ teams: ['T0ACME'] });
    const other = slack.team('Other');
    expect(await install(other, one)).toMatchObject({ status: 403, text: expect.stringContaining('SLACK_TEAMS') });
    expect(calls('auth.revoke')).toMatchObject([{ team_id: 'T0OTHER', outcome: 'ok' }]);
    expect(await stored()).toEqual([]);
    expect(await install(slack.team('Acme'), one)).toMatchObject({ status: 200 });
  });
});

describe('another key for the tokens', () => {
  const [key, spare] = [randomBytes(32), randomBytes(32)];
  const keyIds = async () => (await stored()).map(({ tokens }) => tokens.key_id);

  it('seals all of them anew at the start, and then opens them alone', async () => {
    const one = await gateway();
    const teams = [slack.team('Acme'), slack.team('Other')];
    for (const team of teams) await install(team, one);
    const before = await keyIds();
    await gateway({ seal: createSeal([key, INSTALL_KEY]) });
    const { key_id, ...seal } = createSeal([key]);
    expect([before[0], ...(await keyIds())]).toEqual([createSeal([INSTALL_KEY]).key_id, key_id, key_id]);
    const { connector, log } = await gateway({ seal: { key_id, ...seal } });
    for (const { workspace } of teams) {
      const person = { id: 'U1', name: 'U1' };
      workspace.users.set('U1', { id: 'U1', name: `Ana of ${workspace.name}`, is_bot: false });
      expect(await connector.nameOf(person, workspace.team_id)).toBe(`Ana of ${workspace.name}`);
    }
    expect(JSON.stringify(log)).not.toContain('not configured');
  });

  it('is not undone by a gateway that has both the other way round', async () => {
    const acme = slack.team('Acme');
    await install(acme, await gateway());
    acme.workspace.users.set('U1', { id: 'U1', name: 'Ana', is_bot: false });
    const before = await gateway({ seal: createSeal([INSTALL_KEY, key]) });
    await gateway({ seal: createSeal([key, INSTALL_KEY]) });
    expect(await before.connector.nameOf({ id: 'U1', name: 'U1' }, 'T0ACME')).toBe('Ana');
    expect(await keyIds()).toEqual([createSeal([key]).key_id]);
  });

  it('that does not open them is said at the start, with what to do, and installing again mends it', async () => {
    const [acme, first] = [slack.team('Acme'), await gateway()];
    await install(acme, first);
    const before = await stored();
    const two = await gateway({ seal: createSeal([key, spare]) });
    const warned = two.log.find(({ msg }) => String(msg).includes('key that is not configured'));
    expect(warned).toMatchObject({ tenants: ['T0ACME'], remedy: expect.stringContaining('DECKHAND_VAULT_KEY') });
    // It is kept: the key may be given yet.
    expect(await stored()).toEqual(before);
    await install(acme, two);
    acme.workspace.users.set('U1', { id: 'U1', name: 'Ana', is_bot: false });
    expect(await two.connector.nameOf({ id: 'U1', name: 'U1' }, 'T0ACME')).toBe('Ana');
  });
});

it('that the database does not answer is not said of Slack, whether one workspace uses it or many install it', async () => {
  const mongo = new MongoClient('mongodb://127.0.0.1:1', { serverSelectionTimeoutMS: 1 });
  const db = mongo.db('nowhere');
  const { client_id, client_secret } = slack.tokens;
  const seal = createSeal([INSTALL_KEY]);
  const oauth = { client_id, client_secret, teams: null, db, seal, workspaces: workspacesOf(db) };
  for (const over of [{ db }, { oauth, bot_token: null }]) {
    const connector = createSlackConnector(slackOptions(slack, over));
    await expect(connector.start(createRecordingReceiver())).rejects.toBeInstanceOf(MongoError);
  }
  await mongo.close();
});
