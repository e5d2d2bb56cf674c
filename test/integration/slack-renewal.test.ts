import { afterEach, beforeEach, expect, it } from 'vitest';
import { CLAIM_MS } from '../../connectors/slack/renewal.ts';
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
const LIFE_S = 12 * 3_600;

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
  for (const gateway of [one, two]) await posts(gateway, 'before');
  await slack.clock.advance(11 * HOUR_MS);
});

afterEach(async () => {
  for (const gateway of [one, two]) await gateway[Symbol.asyncDispose]();
  await slack[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

const gateway = () => startInstallGateway(slack, database.db, () => createRecordingReceiver());
const installations = () => database.db.collection<{ _id: string }>('slack_installations');
const withTokens = () => installations().countDocuments({ tokens: { $exists: true } });

/** It posts this, and whoever Slack tells of that has heard it. */
async function posts({ connector }: InstallGateway, words: string): Promise<void> {
  await connector.post(here, textOut(`dlv_${words.replaceAll(' ', '_')}`, words), signal);
  await acme.outbox.idle();
}

/** Bolt's installer goes by this machine's clock, and Slack's is hours ahead of it here. */
async function installAgain(gateway: InstallGateway): Promise<void> {
  await install(acme, gateway);
  const expires_at = Math.floor(slack.clock.now() / 1_000) + LIFE_S;
  await installations().updateOne({}, { $set: { 'bot.expires_at': expires_at } });
}

/** What is stored, whoever is about to renew it. */
const stored = () => installations().findOne({}, { projection: { renewing: 0 } });

function calls(method: string) {
  return slack.journal.filter((call) => call.method === method).map(({ outcome }) => outcome);
}

/** Those for a refresh token. */
function renewals() {
  return slack.journal
    .filter(({ method, args }) => method === 'oauth.v2.access' && args.grant_type === 'refresh_token')
    .map(({ outcome }) => outcome);
}

/** This came of the renewals that were asked for, and what came of the last is stored. */
const renewed = (...outcomes: string[]) =>
  eventually(async () => {
    expect(renewals()).toEqual(outcomes);
    expect(await installations().findOne()).not.toHaveProperty('renewing');
  });

/** So many were asked for in vain, and who did so knows. */
const failed = (count: number) =>
  eventually(() => {
    const told = [...one.log, ...two.log].filter(({ msg }) => String(msg).startsWith('slack token not renewed;'));
    expect(told.length).toBeGreaterThanOrEqual(count);
  });

/** Whoever claims something has been silent for long enough. */
const claimsRunOut = () => installations().updateMany({}, { $set: { 'renewing.until': new Date(0) } });

it('two gateways at the same moment renew it once, and both go on with what is good', async () => {
  const held = slack.faults.hold('oauth.v2.access');
  // Nobody waits, not even who renews it: the token is good.
  await Promise.all([posts(one, 'first'), posts(two, 'second')]);
  await held.reached;
  acme.user('Ana').mention('ops', 'are you there?');
  await acme.outbox.idle();
  expect(acme.outbox.attempts.filter(({ acked }) => !acked)).toEqual([]);
  held.end('taken');
  await renewed('ok');
  await slack.clock.advance(2 * HOUR_MS);
  for (const gateway of [one, two]) await posts(gateway, 'later');
  expect(renewals()).toEqual(['ok']);
  expect(new Set(calls('chat.postMessage'))).toEqual(new Set(['ok']));
  const tokens = slack.installs.tokensOf(acme.workspace);
  expect(tokens).toHaveLength(2);
  for (const token of tokens) expect(JSON.stringify([one.log, two.log])).not.toContain(token);
});

it('where it has ended, everybody waits for who renews it', async () => {
  await slack.clock.advance(2 * HOUR_MS);
  const held = slack.faults.hold('oauth.v2.access');
  const both = [posts(one, 'first'), posts(two, 'second')];
  await held.reached;
  held.end('taken');
  await Promise.all(both);
  expect(renewals()).toEqual(['ok']);
  expect(new Set(calls('chat.postMessage'))).toEqual(new Set(['ok']));
});

it('who stops while it renews it stores first what Slack gives', async () => {
  const before = await stored();
  const held = slack.faults.hold('oauth.v2.access');
  await posts(one, 'with the old token');
  await held.reached;
  const stopped = one[Symbol.asyncDispose]();
  held.end('taken');
  await stopped;
  expect(await stored()).not.toEqual(before);
  expect(await installations().findOne()).not.toHaveProperty('renewing');
  one = await gateway();
  for (const each of [one, two]) await posts(each, 'and on');
  expect(renewals()).toEqual(['ok']);
});

it('who dies before Slack was asked is followed by another when its claim has run out', async () => {
  const until = new Date(Date.now() + HOUR_MS);
  await installations().updateMany({}, { $set: { renewing: { by: 'somebody dead', until } } });
  await posts(one, 'with the old token');
  expect(renewals()).toEqual([]);
  await claimsRunOut();
  await slack.clock.advance(GRACE_MS);
  // The others may be hearing only now that it is claimed.
  await using three = await gateway();
  await posts(three, 'while it is renewed');
  await renewed('ok');
});

it('who dies after Slack was asked is followed by another with the same refresh token', async () => {
  slack.faults.loseResponse('oauth.v2.access');
  await posts(one, 'with the old token');
  await failed(1);
  await posts(two, 'with the old token too');
  expect(renewals()).toEqual(['lost']);
  const held = slack.faults.hold('oauth.v2.access');
  await claimsRunOut();
  await using three = await gateway();
  await posts(three, 'while it is renewed');
  await held.reached;
  held.end('taken');
  await renewed('lost', 'ok');
  // The token of the first answer and the one before are not used any more, and the next renewal works.
  await slack.clock.advance(11 * HOUR_MS);
  await eventually(async () => {
    await slack.clock.advance(CLAIM_MS);
    for (const gateway of [one, two]) await posts(gateway, 'and on');
    expect(renewals()).toEqual(['lost', 'ok', 'ok']);
  });
  expect(new Set(calls('chat.postMessage'))).toEqual(new Set(['ok']));
});

it('that Slack renews no more is used until it ends, the log says so, and installing again mends it', async () => {
  slack.faults.loseResponse('oauth.v2.access');
  await posts(one, 'with the old token');
  await failed(1);
  await slack.clock.advance(GRACE_MS);
  await claimsRunOut();
  for (const gateway of [one, two]) await posts(gateway, 'still with the old one');
  await failed(2);
  expect(renewals()[1]).toBe('invalid_refresh_token');
  expect(JSON.stringify([one.log, two.log])).toContain('install the app there again');
  expect(JSON.stringify([one.log, two.log])).not.toMatch(/xox[be]-/);
  await slack.clock.advance(2 * HOUR_MS);
  const failure = await posts(one, 'too late').catch((error: unknown) => error);
  // It is no refusal: what there is to say waits.
  expect(failure).toBeInstanceOf(Error);
  expect(failure).not.toBeInstanceOf(PostRefusedError);
  await installAgain(one);
  for (const gateway of [one, two]) await posts(gateway, 'and on');
});

it('is not renewed over one that came of installing the app again meanwhile', async () => {
  const held = slack.faults.hold('oauth.v2.access');
  await posts(one, 'with what is good');
  await held.reached;
  await installAgain(two);
  const newest = await stored();
  held.end('taken');
  await eventually(() => expect(JSON.stringify([one.log, two.log])).toContain('renewed too late'));
  expect(await stored()).toEqual(newest);
  // The old token was the oldest of three, so Slack has revoked it: who still has it finds the new one.
  for (const gateway of [one, two]) await posts(gateway, 'and on');
  expect(calls('chat.postMessage').filter((outcome) => outcome === 'ok')).toHaveLength(5);
  // That has all its time before it.
  expect(await stored()).toEqual(newest);
  expect(renewals()).toEqual(['ok']);
});

it('that Slack refuses while it is renewed is waited for by who renews it', async () => {
  const held = slack.faults.hold('oauth.v2.access');
  await Promise.all([posts(one, 'with what is good'), posts(two, 'too')]);
  await held.reached;
  const [first = ''] = slack.installs.tokensOf(acme.workspace);
  slack.installs.end(first, 'token_revoked');
  const both = [posts(one, 'first'), posts(two, 'second')];
  // Who does not renew it is told to come again.
  const refusal = await Promise.race(both.map((post) => post.catch((error: unknown) => error)));
  expect(refusal).toBeInstanceOf(Error);
  expect(refusal).not.toBeInstanceOf(PostRefusedError);
  held.end('taken');
  expect((await Promise.allSettled(both)).map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(renewals()).toEqual(['ok']);
});

it('that ended while it is renewed is no installation that ended', async () => {
  const until = new Date(Date.now() + HOUR_MS);
  await installations().updateMany({}, { $set: { renewing: { by: 'somebody else', until } } });
  const [first = ''] = slack.installs.tokensOf(acme.workspace);
  slack.installs.end(first, 'token_revoked');
  const failure = await posts(one, 'not now').catch((error: unknown) => error);
  expect(failure).not.toBeInstanceOf(PostRefusedError);
  expect(await withTokens()).toBe(1);
  // Nobody was renewing it after all.
  acme.endTokens();
  await claimsRunOut();
  await eventually(async () => {
    await slack.clock.advance(60_000);
    const refusal = await posts(one, 'never').catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(PostRefusedError);
  });
  expect(await withTokens()).toBe(0);
});
