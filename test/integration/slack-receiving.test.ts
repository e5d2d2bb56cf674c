import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { messageOfRef } from '../../connectors/slack/conversation-id.ts';
import { createSlackConnector } from '../../connectors/slack/index.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { DeckhandError } from '../../src/errors.ts';
import { approvalOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from '../support/slack/harness.ts';
import { deliverHttp, signed } from '../support/slack/http-delivery.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import { startSlackServer } from '../support/slack/server.ts';
import { STOP_MS } from '../support/stop.ts';

const signal = AbortSignal.timeout(60_000);

interface Scene extends AsyncDisposable {
  harness: SlackHarness;
  slack: SlackHarness['slack'];
  receiver: RecordingReceiver;
}

async function open(options: Parameters<typeof startSlackHarness>[1] = {}): Promise<Scene> {
  const receiver = createRecordingReceiver();
  const harness = await startSlackHarness(receiver, options);
  receiver.connector = harness.connector;
  return { harness, slack: harness.slack, receiver, [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose]() };
}

function keyOf(place: MessagePlace): ConversationKey {
  return { connector: 'slack', tenant: 'T0DECKHAND', channel: place.channel, thread: place.thread_ts ?? place.ts };
}

async function postCard({ harness, slack }: Scene): Promise<{ key: ConversationKey; card: MessagePlace }> {
  const key = keyOf(slack.user('Ana').mention('ops', 'clean up'));
  await slack.outbox.idle();
  const { ts } = messageOfRef(await harness.connector.post(key, approvalOut('dlv_card'), signal));
  return { key, card: { channel: key.channel, ts, thread_ts: key.thread } };
}

describe.each(['socket', 'http'] as const)('what Slack sends in mode %s', (mode) => {
  it('passes both events of one mention on, as one message', async () => {
    await using scene = await open({ mode });
    const place = scene.slack.user('Ana').mention('ops', 'deploy please');
    await scene.slack.outbox.idle();
    expect(scene.receiver.messages).toHaveLength(2);
    const [first, second] = scene.receiver.messages;
    expect(first?.message_id).toBe(second?.message_id);
    expect(first?.event_id).not.toBe(second?.event_id);
    expect(first).toMatchObject({ text: 'deploy please', addressed: true, conversation: keyOf(place) });
    expect(second).toMatchObject({ text: 'deploy please', addressed: true, conversation: keyOf(place) });
  });

  it('leaves an event without an acknowledgement when it was not kept, so that Slack sends it again', async () => {
    await using scene = await open({ mode });
    scene.receiver.failNext(2);
    scene.slack.user('Ana').dm('keep this');
    if (mode === 'socket') {
      await eventually(() => expect(scene.receiver.messages).toHaveLength(1));
      await scene.slack.clock.advance(3_000);
    }
    await eventually(() => expect(scene.receiver.messages).toHaveLength(2));
    if (mode === 'socket') await scene.slack.clock.advance(3_000);
    await eventually(() => expect(scene.slack.outbox.attempts.filter((a) => !a.acked)).toHaveLength(2));
    await scene.slack.clock.advance(60_000);
    await eventually(() => expect(scene.slack.outbox.attempts.filter((a) => a.acked)).toHaveLength(1));
    expect(scene.slack.outbox.attempts.map((a) => [a.retry, a.acked])).toEqual([
      [0, false],
      [1, false],
      [2, true],
    ]);
    expect(new Set(scene.receiver.messages.map((m) => m.event_id)).size).toBe(1);
  });

  it('answers only when the receiver has kept it, however long that takes', async () => {
    await using scene = await open({ mode });
    const gate = scene.receiver.hold();
    scene.slack.user('Ana').dm('slow');
    await eventually(() => expect(scene.receiver.messages).toHaveLength(1));
    expect(scene.slack.outbox.attempts).toEqual([]);
    await scene.slack.clock.advance(3_000);
    await eventually(() => expect(scene.receiver.messages).toHaveLength(2));
    gate.open();
    await eventually(() => expect(scene.slack.outbox.attempts.map((a) => a.acked)).toEqual([false, true]));
    expect(scene.receiver.messages[0]?.event_id).toBe(scene.receiver.messages[1]?.event_id);
  });

  it('asks Slack for nothing before it answers', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    // Whoever applies it asks, and nobody does here.
    scene.receiver.connector = null;
    const asked = scene.slack.journal.length;
    const cleo = scene.slack.user('Cleo');
    cleo.mention('ops', `ask <@${scene.slack.user('Ben').user.id}>`);
    cleo.stop(card);
    await scene.slack.outbox.idle();
    expect((await cleo.click(card, 'Approve')).acked).toBe(true);
    expect(scene.slack.outbox.attempts.every((attempt) => attempt.acked)).toBe(true);
    expect(scene.slack.journal.slice(asked).map((call) => call.method)).toEqual([]);
    expect(scene.receiver.messages.at(-1)?.sender).toEqual({ id: cleo.user.id, name: cleo.user.id });
  });

  it('tells what became of a click when that is known, and answers before', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    const applied = scene.receiver.holdReceipts();
    const ben = scene.slack.user('Ben');
    scene.receiver.answer({ effect: 'accepted', text: 'Recorded.' });
    expect((await ben.click(card, 'Approve')).acked).toBe(true);
    const whispers = () => ben.sees(card).filter((message) => message.ephemeral_to === ben.user.id);
    expect(whispers()).toEqual([]);
    applied.open();
    await eventually(() => expect(whispers().map(({ text }) => text)).toEqual(['Recorded.']));
  });

  it('lets go without an answer what hangs when it stops', async () => {
    await using scene = await open({ mode });
    const gate = scene.receiver.hold();
    scene.slack.user('Ana').dm('hangs');
    await eventually(() => expect(scene.receiver.messages).toHaveLength(1));
    await scene.harness.connector.stop(1);
    expect(scene.slack.outbox.attempts.filter((attempt) => attempt.acked)).toEqual([]);
    gate.open();
  });

  it('passes a doubled event on with the ids it had', async () => {
    await using scene = await open({ mode });
    scene.slack.outbox.duplicateNext();
    scene.slack.user('Ana').dm('twice');
    await scene.slack.outbox.idle();
    expect(scene.receiver.messages).toHaveLength(2);
    expect(scene.receiver.messages[0]).toEqual(scene.receiver.messages[1]);
  });

  it('hears replies in threads and the channel around them, and says that they are not for the bot', async () => {
    await using scene = await open({ mode });
    const [ana, ben] = [scene.slack.user('Ana'), scene.slack.user('Ben')];
    const root = ana.mention('ops', 'deploy');
    ben.says('ops', 'lunch?');
    ben.reply(root, 'wait for <@' + ana.user.id + '>');
    ana.edit(root, 'deploy not');
    await scene.slack.outbox.idle();
    expect(scene.receiver.messages.map((m) => [m.text, m.addressed, m.to_others])).toEqual([
      ['deploy', true, undefined],
      ['deploy', true, undefined],
      ['lunch?', false, undefined],
      ['wait for @Ana', false, true],
    ]);
    expect(scene.receiver.messages.at(-1)?.conversation).toEqual(keyOf(root));
  });

  it('hears the Stop button', async () => {
    await using scene = await open({ mode });
    scene.receiver.answer({ effect: 'accepted', text: 'Stopping.' });
    const root = scene.slack.user('Ana').mention('ops', 'deploy');
    scene.slack.user('Ana').stop(root);
    await eventually(() => expect(scene.receiver.stops).toHaveLength(1));
    expect(scene.receiver.stops[0]).toMatchObject({ conversation: keyOf(root), person: { name: 'Ana' } });
  });

  it('keeps a click in the conversation of its card when Slack names another team', async () => {
    await using scene = await open({ mode });
    const { key, card } = await postCard(scene);
    // Enterprise Grid and Slack Connect: the team of the click is not the team of the post.
    scene.slack.workspace.team_id = 'T_GUEST';
    await scene.slack.user('Guest').click(card, 'Approve');
    expect(scene.receiver.decisions).toEqual([expect.objectContaining({ conversation: key, decision: 'allow' })]);
  });

  it('hands on two approvers at once and tells each what became of theirs', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    scene.receiver.answer({ effect: 'accepted', text: 'Recorded.' });
    const [ben, cleo] = [scene.slack.user('Ben'), scene.slack.user('Cleo')];
    await Promise.all([ben.click(card, 'Approve'), cleo.click(card, 'Approve')]);
    expect(scene.receiver.decisions.map((d) => d.person.name).toSorted()).toEqual(['Ben', 'Cleo']);
    expect(new Set(scene.receiver.decisions.map((d) => d.event_id)).size).toBe(2);
    await eventually(() => {
      for (const person of [ben, cleo]) {
        expect(person.sees(card).filter((m) => m.ephemeral_to === person.user.id)).toHaveLength(1);
      }
    });
  });

  it('keeps the deny modal open when the denial could not be kept, and takes it at the next press', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    const ben = scene.slack.user('Ben');
    await ben.click(card, 'Deny');
    expect(scene.receiver.decisions).toEqual([]);
    scene.receiver.failNext(1);
    const refused = await ben.submit({ reason: 'too broad' });
    expect(refused.payload).toMatchObject({ response_action: 'errors' });
    expect(ben.view()).toBeDefined();
    await ben.submit({ reason: 'too broad' });
    expect(ben.view()).toBeUndefined();
    const [first, second] = scene.receiver.decisions;
    expect(second).toMatchObject({ decision: 'deny', reason: 'too broad', person: { name: 'Ben' } });
    // The same press as far as deduplication is concerned: whatever the first one left behind, it is one decision.
    expect(second?.event_id).toBe(first?.event_id);
  });

  it('denies nothing when no modal can be shown, and asks to press again', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    const ben = scene.slack.user('Ben');
    for (const strike of [
      () => scene.slack.faults.refuse('views.open', 'expired_trigger_id'),
      () => scene.slack.faults.rateLimit('views.open', 1),
      () => scene.slack.faults.fail('views.open', 503),
    ]) {
      const before = ben.sees(card).length;
      strike();
      expect((await ben.click(card, 'Deny')).acked).toBe(true);
      await eventually(() => expect(ben.sees(card)).toHaveLength(before + 1));
      expect(ben.sees(card).at(-1)?.text).toContain('Please press the button again.');
      expect(ben.view()).toBeUndefined();
    }
    expect(scene.receiver.decisions).toEqual([]);
    await ben.click(card, 'Deny');
    await ben.submit({ reason: 'too broad' });
    expect(scene.receiver.decisions).toMatchObject([{ decision: 'deny', reason: 'too broad' }]);
  });

  it('says before anything is typed that somebody may not deny it, or not any more', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    const eve = scene.slack.user('Eve');
    scene.receiver.shows.details = { summary: 'x', why: null, detail: 'ls', closed: 'You may not decide this.' };
    expect((await eve.click(card, 'Deny')).acked).toBe(true);
    const shown = () => readableText(eve.view()?.blocks).join();
    await eventually(() => expect(shown()).toBe('You may not decide this.'));
    expect(eve.view()).not.toHaveProperty('submit');
    expect(scene.receiver.decisions).toEqual([]);
  });

  it('answers through the response url where no ephemeral message can be posted', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    scene.receiver.answer({ effect: 'refused', text: 'You may not decide this.' });
    scene.slack.faults.refuse('chat.postEphemeral', 'user_not_in_channel');
    const guest = scene.slack.user('Guest');
    await guest.click(card, 'Approve');
    await eventually(() => {
      const whispers = guest.sees(card).filter((m) => m.ephemeral_to === guest.user.id);
      expect(whispers.map((m) => m.text)).toEqual(['You may not decide this.']);
    });
    expect(
      scene.slack
        .user('Ana')
        .sees(card)
        .filter((m) => m.ephemeral_to !== undefined),
    ).toEqual([]);
  });

  it('says once what Slack shows although its answer was lost', async () => {
    await using scene = await open({ mode });
    const { card } = await postCard(scene);
    scene.receiver.answer({ effect: 'refused', text: 'You may not decide this.' });
    scene.slack.faults.loseResponse('chat.postEphemeral');
    const guest = scene.slack.user('Guest');
    const whispers = () => guest.sees(card).filter((m) => m.ephemeral_to === guest.user.id);
    await guest.click(card, 'Approve');
    await eventually(() => expect(whispers()).toHaveLength(1));
    await scene.harness.connector.stop(STOP_MS);
    expect(whispers().map((m) => m.text)).toEqual(['You may not decide this.']);
  });

  it('shows the id of somebody whose name cannot be had, and the name later', async () => {
    await using scene = await open({ mode });
    scene.slack.faults.fail('users.info', 500, 1);
    const ana = scene.slack.user('Ana');
    ana.dm('one');
    await scene.slack.outbox.idle();
    ana.dm('two');
    await scene.slack.outbox.idle();
    expect(scene.receiver.messages.map((m) => m.sender.name)).toEqual([ana.user.id, 'Ana']);
    ana.dm('three');
    await scene.slack.outbox.idle();
    expect(scene.slack.journal.filter((call) => call.method === 'users.info')).toHaveLength(2);
  });
});

describe('Socket Mode', () => {
  it('comes again on a new connection when Slack asks, and misses nothing', async () => {
    await using scene = await open();
    scene.slack.sockets.refresh();
    scene.slack.user('Ana').dm('said meanwhile');
    await eventually(() => expect(scene.receiver.messages.some((m) => m.text === 'said meanwhile')).toBe(true));
    await eventually(() =>
      expect(scene.slack.journal.filter((c) => c.method === 'apps.connections.open')).toHaveLength(2),
    );
    await eventually(() => expect(scene.slack.sockets.size).toBe(1));
    scene.slack.user('Ana').dm('said after');
    await eventually(() => expect(scene.receiver.messages.some((m) => m.text === 'said after')).toBe(true));
  });

  it('gets an unacknowledged event again after the line was cut', async () => {
    await using scene = await open();
    const gate = scene.receiver.hold();
    scene.slack.user('Ana').dm('in the middle');
    await eventually(() => expect(scene.receiver.messages).toHaveLength(1));
    scene.slack.sockets.cut();
    gate.open();
    await eventually(() => expect(scene.slack.outbox.attempts.map((a) => a.acked)).toEqual([false, true]));
    expect(scene.receiver.messages.map((m) => m.event_id)).toEqual([
      scene.receiver.messages[0]?.event_id,
      scene.receiver.messages[0]?.event_id,
    ]);
  });

  it('keeps trying when Slack cannot be reached for a while', async () => {
    await using scene = await open();
    scene.slack.faults.fail('apps.connections.open', 503, 1);
    scene.slack.sockets.cut();
    const opens = () => scene.slack.journal.filter((c) => c.method === 'apps.connections.open').map((c) => c.outcome);
    await eventually(() => expect(opens()).toEqual(['ok', '503', 'ok']), 10_000);
    scene.slack.user('Ana').dm('back again');
    await eventually(() => expect(scene.receiver.messages).toHaveLength(1));
  });

  it('takes what comes until it can hang up in a quiet moment', async () => {
    const scene = await open();
    const gate = scene.receiver.hold();
    scene.slack.user('Ana').dm('being kept');
    await eventually(() => expect(scene.receiver.messages).toHaveLength(1));
    const stopping = scene.harness.connector.stop(60_000);
    scene.slack.user('Ana').dm('a moment later');
    await eventually(() => expect(scene.receiver.messages).toHaveLength(2));
    gate.open();
    await stopping;
    await scene.slack.outbox.idle();
    expect(scene.slack.outbox.attempts.map((a) => a.acked)).toEqual([true, true]);
    await scene[Symbol.asyncDispose]();
  });

  it('hangs up before it has done what it kept, so that others are sent what people write and press meanwhile', async () => {
    await using scene = await open();
    const next = createRecordingReceiver();
    const other = createSlackConnector(slackOptions(scene.slack));
    const { card } = await postCard(scene);
    const applied = scene.receiver.holdReceipts();
    scene.slack.user('Ana').dm('slow');
    await scene.slack.outbox.idle();
    const stopping = scene.harness.connector.stop(60_000);
    await eventually(() => expect(scene.slack.sockets.size).toBe(0));
    await other.start(next);
    scene.slack.user('Ana').dm('meanwhile');
    expect((await scene.slack.user('Ben').click(card, 'Approve')).acked).toBe(true);
    await scene.slack.outbox.idle();
    expect([next.messages.map((m) => m.text), next.decisions.length]).toEqual([['meanwhile'], 1]);
    applied.open();
    await stopping;
    await other.stop(STOP_MS);
  });

  it('closes its connection when it stops, also while it is trying to connect', async () => {
    const scene = await open();
    scene.slack.faults.fail('apps.connections.open', 503, 50);
    scene.slack.sockets.cut();
    await eventually(() => expect(scene.slack.journal.some((c) => c.outcome === '503')).toBe(true));
    await scene.harness.connector.stop(STOP_MS);
    const calls = scene.slack.journal.length;
    await scene[Symbol.asyncDispose]();
    expect(scene.slack.sockets.size).toBe(0);
    expect(scene.slack.journal).toHaveLength(calls);
  });
});

describe('the HTTP endpoint', () => {
  it('leaves what comes when it has stopped to others, which is no failure', async () => {
    const log: Array<{ level: number; msg: string }> = [];
    const logger = pino({}, { write: (line: string) => void log.push(JSON.parse(line)) });
    await using scene = await open({ mode: 'http', logger });
    await scene.harness.connector.stop(STOP_MS);
    scene.slack.user('Ana').dm('too late');
    // Slack tries the first time again at once.
    await eventually(() => expect(scene.slack.outbox.attempts).not.toEqual([]));
    expect(scene.slack.outbox.attempts.filter((a) => a.acked)).toEqual([]);
    expect(scene.receiver.messages).toEqual([]);
    expect(log).toContainEqual(expect.objectContaining({ level: 30, msg: 'slack event left for another process' }));
    expect(log.filter(({ level }) => level > 30)).toEqual([]);
  });

  it('hears nothing that Slack did not sign', async () => {
    await using scene = await open({ mode: 'http' });
    const { target } = scene.slack.outbox;
    if (target === null) throw new Error('HTTP mode delivers to a target');
    const event = {
      type: 'message',
      channel: 'D1',
      channel_type: 'im',
      user: 'U1',
      text: 'let me in',
      ts: '1.1',
      event_ts: '1.1',
    };
    const payload = { type: 'event_callback', team_id: 'T0DECKHAND', event_id: 'EvForged', event };
    const forged = await deliverHttp(
      scene.slack.clock,
      { ...target, secret: 'guess' },
      { type: 'events_api', payload },
    );
    expect(forged.acked).toBe(false);
    const plain = await fetch(target.url, {
      method: 'POST',
      body: JSON.stringify(payload),
      headers: { 'content-type': 'application/json' },
    });
    expect(plain.status).toBe(401);
    expect(scene.receiver.messages).toEqual([]);
    const genuine = await deliverHttp(scene.slack.clock, target, { type: 'events_api', payload });
    expect(genuine.acked).toBe(true);
    expect(scene.receiver.messages).toHaveLength(1);
  });

  it.each(['null', '7', '"words"', '[]', '{}'])('leaves out %s, though it is signed, and goes on', async (body) => {
    await using scene = await open({ mode: 'http' });
    const { target } = scene.slack.outbox;
    if (target === null) throw new Error('HTTP mode delivers to a target');
    const timestamp = Math.floor(Date.now() / 1_000);
    const headers = {
      'content-type': 'application/json',
      'x-slack-request-timestamp': String(timestamp),
      'x-slack-signature': signed(target.secret, body, timestamp),
    };
    const answer = await fetch(target.url, { method: 'POST', body, headers });
    expect([answer.status, await answer.text()]).toEqual([200, '']);
    const broken = await fetch(target.url, { method: 'POST', body: `${body}!`, headers });
    expect(broken.status).toBe(401);
    expect(scene.receiver.messages).toEqual([]);
  });

  it('reads nothing more from a connection whose body is too long', async () => {
    await using scene = await open({ mode: 'http' });
    const { target } = scene.slack.outbox;
    if (target === null) throw new Error('HTTP mode delivers to a target');
    const answer = await fetch(target.url, { method: 'POST', body: 'x'.repeat(5 * 1024 * 1024) });
    expect([answer.status, answer.headers.get('connection')]).toEqual([413, 'close']);
  });

  it('leaves other requests to others', async () => {
    await using scene = await open({ mode: 'http' });
    const { target } = scene.slack.outbox;
    if (target === null) throw new Error('HTTP mode delivers to a target');
    expect((await fetch(target.url)).status).toBe(404);
    expect((await fetch(`${target.url}/more`, { method: 'POST' })).status).toBe(404);
  });

  it('answers Slack’s question whether the address is ours', async () => {
    await using scene = await open({ mode: 'http' });
    const { target } = scene.slack.outbox;
    if (target === null) throw new Error('HTTP mode delivers to a target');
    const answer = await deliverHttp(scene.slack.clock, target, {
      type: 'events_api',
      payload: { type: 'url_verification', challenge: 'c4' },
    });
    expect(answer).toEqual({ acked: true, payload: { challenge: 'c4' } });
  });
});

describe('starting', () => {
  it('says what is missing before anything is tried', async () => {
    await using slack = await startSlackServer();
    expect(() => createSlackConnector(slackOptions(slack, { app_token: null }))).toThrow(/SLACK_APP_TOKEN/);
    expect(() => createSlackConnector(slackOptions(slack, { mode: 'http', signing_secret: null }))).toThrow(
      /SLACK_SIGNING_SECRET/,
    );
  });

  it.each([
    ['bot token', { bot_token: 'xoxb-wrong-secretsecret' }],
    ['app token', { app_token: 'xapp-wrong-secretsecret' }],
  ])('fails with a wrong %s, and no token in what it says', async (_which, wrong) => {
    await using slack = await startSlackServer();
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
    const connector = createSlackConnector(slackOptions(slack, { ...wrong, logger }));
    const error = await connector.start(createRecordingReceiver()).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(DeckhandError);
    expect(String(error)).toContain('invalid_auth');
    expect(`${String(error)}${lines.join('')}`).not.toMatch(/secretsecret|testtoken/);
    await connector.stop(STOP_MS);
  });

  it('logs no token while things go wrong', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'trace' }, { write: (line) => lines.push(line) });
    await using scene = await open({ logger });
    const key = keyOf(scene.slack.user('Ana').mention('ops', 'hi'));
    scene.receiver.failNext(1);
    for (const method of ['users.info', 'chat.postMessage', 'apps.connections.open'])
      scene.slack.faults.fail(method, 500);
    scene.slack.user('Cleo').dm('fails');
    await scene.harness.connector.post(key, approvalOut('d'), signal).catch(() => undefined);
    await scene.harness.connector.setStatus({ ...key, channel: 'C_NONE' }, { state: 'working', text: 'x' }, signal);
    scene.slack.sockets.cut();
    await eventually(() => expect(lines.join('')).toContain('trying again'));
    expect(lines.length).toBeGreaterThan(2);
    expect(lines.join('')).not.toMatch(/xox|xapp-|testtoken|Bearer/);
  });
});
