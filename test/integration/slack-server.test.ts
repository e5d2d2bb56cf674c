import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebAPIPlatformError, WebClient } from '@slack/web-api';
import { describe, expect, it } from 'vitest';
import { createBoltLogger } from '../../connectors/slack/bolt-logger.ts';
import { silentLogger } from '../../src/logger.ts';
import { eventually } from '../support/eventually.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import type { Acknowledgement } from '../support/slack/socket-mode.ts';
import { channelNamed } from '../support/slack/workspace.ts';

/** Refusals are expected here; the client's own words about them are left out. */
const logger = createBoltLogger(silentLogger);

/*
 * The tests of the connector are worth what this Slack is worth: here Slack's own client meets it directly, and is
 * refused what slack.com refuses.
 */
function clientOf(slack: SlackServer, token = slack.tokens.bot): WebClient {
  return new WebClient(token, {
    slackApiUrl: slack.apiUrl,
    retryConfig: { retries: 0 },
    rejectRateLimitedCalls: true,
    logger,
  });
}

async function errorOf(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof WebAPIPlatformError)) throw new Error(`Expected Slack's refusal, got ${String(error)}`);
  return String(error.data.error);
}

const section = (text: string) => ({ type: 'section', text: { type: 'mrkdwn', text } });
const button = (over: object) => ({
  type: 'button',
  action_id: 'a',
  text: { type: 'plain_text', text: 'Go' },
  ...over,
});
const actions = (elements: object[]) => ({ type: 'actions', elements });
const header = (text: string) => ({ type: 'header', text: { type: 'plain_text', text } });
const markdown = (length: number) => ({ type: 'markdown', text: 'x'.repeat(length) });

describe('posting to the test Slack', () => {
  it.each([
    ['a section over 3,000', [section('x'.repeat(3_001))], 'invalid_blocks'],
    ['an empty section', [section('')], 'invalid_blocks'],
    ['a header over 150', [header('x'.repeat(151))], 'invalid_blocks'],
    ['51 blocks', Array.from({ length: 51 }, () => ({ type: 'divider' })), 'invalid_blocks'],
    ['26 buttons', [actions(Array.from({ length: 26 }, () => button({})))], 'invalid_blocks'],
    ['a button value over 2,000', [actions([button({ value: 'x'.repeat(2_001) })])], 'invalid_blocks'],
    [
      'a button text over 75',
      [actions([button({ text: { type: 'plain_text', text: 'x'.repeat(76) } })])],
      'invalid_blocks',
    ],
    ['a block of no known type', [{ type: 'marquee', text: 'x' }], 'invalid_blocks'],
    ['markdown over 12,000', [markdown(12_001)], 'invalid_blocks'],
    ['too much over all blocks', [markdown(11_000), section('x'.repeat(2_500))], 'msg_blocks_too_long'],
    [
      'the same block id twice',
      [
        { ...section('a'), block_id: 'b' },
        { ...section('a'), block_id: 'b' },
      ],
      'invalid_blocks',
    ],
  ])('refuses %s', async (_what, blocks, error) => {
    await using slack = await startSlackServer();
    const channel = channelNamed(slack.workspace, 'ops').id;
    expect(await errorOf(clientOf(slack).chat.postMessage({ channel, text: 'x', blocks }))).toBe(error);
    expect(slack.workspace.messages).toEqual([]);
  });

  it('takes what is just within the limits', async () => {
    await using slack = await startSlackServer();
    const channel = channelNamed(slack.workspace, 'ops').id;
    const blocks = [
      markdown(9_000),
      section('x'.repeat(3_000)),
      header('x'.repeat(150)),
      actions([button({ value: 'x'.repeat(2_000) })]),
    ];
    expect((await clientOf(slack).chat.postMessage({ channel, text: 'x', blocks })).ok).toBe(true);
  });

  it('cuts posted text at 40,000 and refuses an edit over 4,000 bytes once escaped', async () => {
    await using slack = await startSlackServer();
    const web = clientOf(slack);
    const channel = channelNamed(slack.workspace, 'ops').id;
    const { ts = '' } = await web.chat.postMessage({ channel, text: 'x'.repeat(50_000) });
    expect(slack.workspace.messages[0]?.text).toHaveLength(40_000);
    await web.chat.update({ channel, ts, text: '&'.repeat(800) });
    expect(await errorOf(web.chat.update({ channel, ts, text: '&'.repeat(801) }))).toBe('msg_too_long');
    expect(await errorOf(web.chat.update({ channel, ts: '1.1', text: 'x' }))).toBe('message_not_found');
  });

  it('asks for the right token', async () => {
    await using slack = await startSlackServer();
    expect(await errorOf(clientOf(slack, 'xoxb-other').auth.test())).toBe('invalid_auth');
    expect(await errorOf(clientOf(slack, slack.tokens.app).auth.test())).toBe('not_allowed_token_type');
    expect(await errorOf(clientOf(slack).apps.connections.open())).toBe('not_allowed_token_type');
    expect(await errorOf(clientOf(slack).apiCall('chat.shout'))).toBe('unknown_method');
  });

  it('keeps metadata and shows it only when asked', async () => {
    await using slack = await startSlackServer();
    const web = clientOf(slack);
    const channel = channelNamed(slack.workspace, 'ops').id;
    const metadata = { event_type: 'x', event_payload: { id: 'y' } };
    const { ts = '' } = await web.chat.postMessage({ channel, text: 'x', metadata });
    await web.chat.update({ channel, ts, text: 'y' });
    const plain = await web.conversations.replies({ channel, ts });
    const whole = await web.conversations.replies({ channel, ts, include_all_metadata: true });
    expect(plain.messages?.[0]).not.toHaveProperty('metadata');
    expect(whole.messages?.[0]?.metadata).toEqual(metadata);
  });
});

describe('streams of the test Slack', () => {
  it('live for five minutes, appended to or not', async () => {
    await using slack = await startSlackServer();
    const web = clientOf(slack);
    const root = slack.user('Ana').dm('hi');
    const who = { recipient_team_id: slack.workspace.team_id, recipient_user_id: slack.user('Ana').user.id };
    const start = { channel: root.channel, thread_ts: root.ts, markdown_text: 'One ' };
    expect(await errorOf(web.chat.startStream(start))).toBe('missing_recipient_user_id');
    const { ts = '' } = await web.chat.startStream({ ...start, ...who });
    const at = { channel: root.channel, ts };
    expect(await errorOf(web.chat.update({ ...at, text: 'x' }))).toBe('streaming_state_conflict');
    await slack.clock.advance(299_000);
    await web.chat.appendStream({ ...at, markdown_text: 'two' });
    await slack.clock.advance(1_000);
    expect(await errorOf(web.chat.appendStream({ ...at, markdown_text: '!' }))).toBe('message_not_in_streaming_state');
    expect(await errorOf(web.chat.stopStream(at))).toBe('message_not_in_streaming_state');
    expect(slack.workspace.messages.at(-1)).toMatchObject({ text: 'One two', stream: { state: 'errored' } });
    await web.chat.update({ ...at, text: 'put right' });
  });

  it('are for somebody whom Slack knows, in channels as well', async () => {
    await using slack = await startSlackServer();
    const web = clientOf(slack);
    const root = slack.user('Ana').mention('ops', 'hi');
    const start = { channel: root.channel, thread_ts: root.ts, markdown_text: 'One ' };
    const [recipient_user_id, recipient_team_id] = [slack.user('Ana').user.id, slack.workspace.team_id];
    expect(await errorOf(web.chat.startStream({ ...start, recipient_team_id }))).toBe('missing_recipient_user_id');
    expect(await errorOf(web.chat.startStream({ ...start, recipient_user_id }))).toBe('missing_recipient_team_id');
    const nobody = { recipient_user_id: 'U0NOBODY', recipient_team_id };
    expect(await errorOf(web.chat.startStream({ ...start, ...nobody }))).toBe('user_not_found');
    expect((await web.chat.startStream({ ...start, recipient_user_id, recipient_team_id })).ok).toBe(true);
  });

  it('end once', async () => {
    await using slack = await startSlackServer();
    const web = clientOf(slack);
    const root = slack.user('Ana').dm('hi');
    const who = { recipient_team_id: slack.workspace.team_id, recipient_user_id: slack.user('Ana').user.id };
    const { ts = '' } = await web.chat.startStream({ channel: root.channel, thread_ts: root.ts, ...who });
    const at = { channel: root.channel, ts };
    expect(await errorOf(web.chat.appendStream({ ...at, markdown_text: 'x'.repeat(12_001) }))).toBe('msg_too_long');
    const stopped = await web.chat.stopStream({ ...at, chunks: [{ type: 'markdown_text', text: 'all' }] });
    expect(stopped.message).toMatchObject({ text: 'all', streaming_state: 'completed' });
    expect(await errorOf(web.chat.stopStream(at))).toBe('message_not_in_streaming_state');
  });
});

describe('deliveries of the test Slack', () => {
  /** An app that answers every delivery with this status, and what it was sent. */
  async function app(status: number) {
    const headers: Record<string, string | undefined>[] = [];
    const bodies: string[] = [];
    const answer = async (request: IncomingMessage, response: ServerResponse) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(Buffer.from(chunk));
      headers.push({
        num: String(request.headers['x-slack-retry-num'] ?? ''),
        reason: String(request.headers['x-slack-retry-reason'] ?? ''),
      });
      bodies.push(Buffer.concat(chunks).toString());
      response.writeHead(status).end();
    };
    const server = createServer((request, response) => {
      answer(request, response).catch(() => response.destroy());
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/slack/events`;
    return { url, headers, bodies, [Symbol.asyncDispose]: async () => void server.close() };
  }

  it('are tried again at once, after one minute and after five, and then dropped', async () => {
    await using slack = await startSlackServer();
    await using deaf = await app(500);
    slack.deliverTo(deaf.url);
    slack.user('Ana').dm('anybody?');
    await eventually(() => expect(deaf.headers).toHaveLength(2));
    await slack.outbox.idle();
    await slack.clock.advance(59_000);
    expect(deaf.headers).toHaveLength(2);
    await slack.clock.advance(1_000);
    await eventually(() => expect(slack.outbox.attempts).toHaveLength(3));
    await slack.clock.advance(300_000);
    await eventually(() => expect(slack.outbox.attempts).toHaveLength(4));
    await slack.clock.advance(3_600_000);
    await slack.outbox.idle();
    expect(deaf.headers.map((h) => h.num)).toEqual(['', '1', '2', '3']);
    expect(new Set(deaf.bodies.map((body) => /"event_id":"(\w+)"/.exec(body)?.[1])).size).toBe(1);
  });

  it('carry commands as forms, once', async () => {
    await using slack = await startSlackServer();
    await using deaf = await app(500);
    slack.deliverTo(deaf.url);
    const ack: Acknowledgement = await slack.user('Ana').command('ops', '/deckhand', 'status now');
    expect(ack.acked).toBe(false);
    await slack.clock.advance(600_000);
    expect(deaf.bodies).toHaveLength(1);
    expect(Object.fromEntries(new URLSearchParams(deaf.bodies[0]))).toMatchObject({
      command: '/deckhand',
      text: 'status now',
    });
  });

  it('come with a response url for five uses in thirty minutes, and a trigger that is good once, for three seconds', async () => {
    await using slack = await startSlackServer();
    await using quick = await app(200);
    slack.deliverTo(quick.url);
    await slack.user('Ana').command('ops', '/deckhand', '');
    const form = new URLSearchParams(quick.bodies[0]);
    const url = form.get('response_url') ?? '';
    const respond = async () => (await fetch(url, { method: 'POST', body: JSON.stringify({ text: 'hi' }) })).status;
    for (let use = 1; use <= 5; use += 1) expect(await respond()).toBe(200);
    expect(await respond()).toBe(404);
    const view = {
      type: 'modal' as const,
      title: { type: 'plain_text' as const, text: 'T' },
      blocks: [section('One')],
    };
    const trigger = form.get('trigger_id') ?? '';
    await clientOf(slack).views.open({ trigger_id: trigger, view });
    expect(await errorOf(clientOf(slack).views.open({ trigger_id: trigger, view }))).toBe('exchanged_trigger_id');
    await slack.clock.advance(3_000);
    expect(await errorOf(clientOf(slack).views.open({ trigger_id: trigger, view }))).toBe('expired_trigger_id');
  });
});

it('a thread of the test Slack reads like a conversation', async () => {
  await using slack = await startSlackServer();
  const root = slack.user('Ana').mention('ops', 'deploy please');
  const blocks = [section('May I?'), actions([button({ text: { type: 'plain_text', text: 'Approve' } })])];
  await clientOf(slack).chat.postMessage({ channel: root.channel, thread_ts: root.ts, text: 'x', blocks });
  slack.user('Ben').reply(root, 'go on');
  await clientOf(slack).chat.postEphemeral({
    channel: root.channel,
    thread_ts: root.ts,
    user: slack.user('Ben').user.id,
    text: 'Noted.',
  });
  expect(slack.transcript(root).split('\n')).toEqual([
    'Ana: @deckhand deploy please',
    'deckhand: May I?',
    '[Approve]',
    'Ben: go on',
    'deckhand (only to Ben): Noted.',
  ]);
});
