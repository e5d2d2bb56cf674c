import { afterEach, beforeEach, expect, it } from 'vitest';
import { PostRefusedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { textOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';
import { type InstallGateway, install, startInstallGateway } from '../support/slack/install-stage.ts';
import { GRACE_MS } from '../support/slack/installs.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import type { SlackTeam } from '../support/slack/team.ts';

const signal = AbortSignal.timeout(60_000);
const HOUR_MS = 3_600_000;

let database: TestDatabase;
let slack: SlackServer;
let acme: SlackTeam;
let one: InstallGateway;
let two: InstallGateway;
let here: ConversationKey;

/** Two gateways know an installation whose token ends in an hour. */
beforeEach(async () => {
  database = await testDatabase();
  slack = await startSlackServer();
  slack.installs.rotate = true;
  acme = slack.team('Acme');
  [one, two] = [await gateway(), await gateway()];
  await install(acme, one);
  const { channel, ts } = acme.user('Ana').mention('ops', 'hello');
  await acme.outbox.idle();
  here = { connector: 'slack', tenant: 'T0ACME', channel, thread: ts };
  for (const { connector } of [one, two]) await connector.post(here, textOut('dlv_before', 'before'), signal);
  await slack.clock.advance(11 * HOUR_MS);
});

afterEach(async () => {
  for (const gateway of [one, two]) await gateway[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const gateway = () => startInstallGateway(slack, database.db, () => createRecordingReceiver());
const posts = ({ connector }: InstallGateway, words: string) =>
  connector.post(here, textOut(`dlv_${words.replaceAll(' ', '_')}`, words), signal);
const installations = () => database.db.collection<{ _id: string }>('slack_installations');

function calls(method: string) {
  return slack.journal.filter((call) => call.method === method).map(({ outcome }) => outcome);
}

/** Those for a refresh token. */
function renewals() {
  return slack.journal
    .filter(({ method, args }) => method === 'oauth.v2.access' && args.grant_type === 'refresh_token')
    .map(({ outcome }) => outcome);
}

/** Whoever claims something has been silent for long enough. */
const claimsRunOut = () => installations().updateMany({}, { $set: { 'renewing.until': new Date(0) } });

it('two gateways at the same moment renew it once, and both go on with what is good', async () => {
  const held = slack.faults.hold('oauth.v2.access');
  const both = [posts(one, 'first'), posts(two, 'second')];
  await held.reached;
  // The other does not wait: its token is good.
  await Promise.race(both);
  held.end('taken');
  await Promise.all(both);
  expect(renewals()).toEqual(['ok']);
  await slack.clock.advance(2 * HOUR_MS);
  for (const gateway of [one, two]) await posts(gateway, 'later');
  expect(renewals()).toEqual(['ok']);
  expect(await installations().findOne()).not.toHaveProperty('renewing');
  expect(new Set(calls('chat.postMessage'))).toEqual(new Set(['ok']));
  const tokens = slack.installs.tokensOf(acme.workspace);
  expect(tokens).toHaveLength(2);
  for (const token of tokens) expect(JSON.stringify([one.log, two.log])).not.toContain(token);
});

it('where it has ended, whoever does not renew it waits for who does', async () => {
  await slack.clock.advance(2 * HOUR_MS);
  const held = slack.faults.hold('oauth.v2.access');
  const both = [posts(one, 'first'), posts(two, 'second')];
  await held.reached;
  held.end('taken');
  await Promise.all(both);
  expect(renewals()).toEqual(['ok']);
  expect(new Set(calls('chat.postMessage'))).toEqual(new Set(['ok']));
});

it('who dies before Slack was asked is followed by another when its claim has run out', async () => {
  const until = new Date(Date.now() + HOUR_MS);
  await installations().updateMany({}, { $set: { renewing: { by: 'somebody dead', until } } });
  await posts(one, 'with the old token');
  expect(renewals()).toEqual([]);
  await claimsRunOut();
  await slack.clock.advance(GRACE_MS);
  await posts(two, 'with the new one');
  expect(renewals()).toEqual(['ok']);
});

it('who dies after Slack was asked is followed by another with the same refresh token', async () => {
  slack.faults.loseResponse('oauth.v2.access');
  await posts(one, 'with the old token');
  await posts(two, 'with the old token too');
  expect(renewals()).toEqual(['lost']);
  await claimsRunOut();
  await slack.clock.advance(GRACE_MS - 1_000);
  await posts(two, 'with the new one');
  expect(renewals()).toEqual(['lost', 'ok']);
  // The token of the first answer and the one before are not used any more, and the next renewal works.
  await slack.clock.advance(11 * HOUR_MS);
  for (const gateway of [one, two]) await posts(gateway, 'and on');
  expect(renewals()).toEqual(['lost', 'ok', 'ok']);
  expect(new Set(calls('chat.postMessage'))).toEqual(new Set(['ok']));
});

it('that Slack renews no more is used until it ends, the log says so, and installing again mends it', async () => {
  slack.faults.loseResponse('oauth.v2.access');
  await posts(one, 'with the old token');
  await claimsRunOut();
  await slack.clock.advance(GRACE_MS);
  for (const gateway of [one, two]) await posts(gateway, 'still with the old one');
  expect(renewals()[1]).toBe('invalid_refresh_token');
  expect(JSON.stringify([one.log, two.log])).toContain('install the app there again');
  expect(JSON.stringify([one.log, two.log])).not.toMatch(/xox[be]-/);
  await slack.clock.advance(2 * HOUR_MS);
  const failure = await posts(one, 'too late').catch((error: unknown) => error);
  // It is no refusal: what there is to say waits.
  expect(failure).toBeInstanceOf(Error);
  expect(failure).not.toBeInstanceOf(PostRefusedError);
  await install(acme, one);
  for (const gateway of [one, two]) await posts(gateway, 'and on');
});

it('is not renewed over one that came of installing the app again meanwhile', async () => {
  const held = slack.faults.hold('oauth.v2.access');
  const late = posts(one, 'with what is good');
  await held.reached;
  await install(acme, two);
  const newest = await installations().findOne();
  held.end('taken');
  await late;
  expect(await installations().findOne()).toEqual(newest);
  // The old token was the oldest of three, so Slack has revoked it: who still has it finds the new one.
  for (const gateway of [one, two]) await posts(gateway, 'and on');
  expect(calls('chat.postMessage').filter((outcome) => outcome === 'ok')).toHaveLength(5);
});

it('that ended while it is renewed is no installation that ended', async () => {
  const until = new Date(Date.now() + HOUR_MS);
  await installations().updateMany({}, { $set: { renewing: { by: 'somebody else', until } } });
  const [first = ''] = slack.installs.tokensOf(acme.workspace);
  slack.installs.end(first, 'token_revoked');
  const failure = await posts(one, 'not now').catch((error: unknown) => error);
  expect(failure).not.toBeInstanceOf(PostRefusedError);
  expect(await installations().countDocuments()).toBe(1);
  // Nobody was renewing it after all.
  acme.endTokens();
  await claimsRunOut();
  await eventually(async () => {
    await slack.clock.advance(60_000);
    const refusal = await posts(one, 'never').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(PostRefusedError);
  });
  expect(await installations().countDocuments()).toBe(0);
});
