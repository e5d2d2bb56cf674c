import Anthropic from '@anthropic-ai/sdk';
import type { BetaManagedAgentsSessionEvent } from '@anthropic-ai/sdk/resources/beta/sessions/events';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House, type HouseProcess } from '../support/house.ts';
import { startTestModel, type TestModel } from '../support/model.ts';
import { buttonLabels, type MessagePlace } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import { directChannel, messageAt, type SlackMessage, userGroup } from '../support/slack/workspace.ts';

const PATIENCE_MS = 20_000;
const SLOW = { timeout: 60_000 };
const POSTING = ['chat.postMessage', 'chat.startStream'];

interface Scene {
  house: House;
  model: TestModel;
  slack: SlackServer;
  gateway: HouseProcess;
  client: Anthropic;
  /** Starts one more gateway. */
  startGateway(env?: Record<string, string>): Promise<HouseProcess>;
  /** What the bot said in a thread and these words are in, once there is some. */
  heard(thread: MessagePlace, words: string | RegExp): Promise<SlackMessage>;
  said(thread: MessagePlace, words: string | RegExp): SlackMessage[];
  /** The log of the only session, once it is idle for this reason. */
  idle(reason: string): Promise<BetaManagedAgentsSessionEvent[]>;
  /** Ask and wait for the answer: whatever was on its way before has arrived then. */
  sentinel(thread: MessagePlace): Promise<void>;
}

/** A gateway and a worker as two processes, before a Slack of our own. */
async function onSlack(
  { mode = 'socket', gateway: gatewayEnv = {} }: { mode?: 'socket' | 'http'; gateway?: Record<string, string> },
  story: (scene: Scene) => Promise<void>,
): Promise<void> {
  await using model = await startTestModel();
  await using slack = await startSlackServer();
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    SLACK_BOT_TOKEN: slack.tokens.bot,
    SLACK_API_URL: slack.apiUrl,
    ...(mode === 'socket'
      ? { SLACK_APP_TOKEN: slack.tokens.app }
      : { SLACK_SIGNING_SECRET: slack.tokens.signing_secret }),
  });
  const startGateway = (env: Record<string, string> = {}) => house.start('gateway', env);
  const [gateway] = await Promise.all([startGateway(gatewayEnv), house.start('worker')]);
  if (mode === 'http') slack.deliverTo(`${gateway.url}/slack/events`);
  // The API of a gateway that a test kills is not there to be asked.
  const api = { baseURL: gateway.url, apiKey: house.api_key, maxRetries: 0 };
  const client = new Anthropic(api);

  const said = (thread: MessagePlace, words: string | RegExp) =>
    slack.workspace.messages.filter((message) => {
      const here = message.channel === thread.channel && message.thread_ts === (thread.thread_ts ?? thread.ts);
      const text = readable(message);
      return (
        here && message.bot_id !== undefined && (words instanceof RegExp ? words.test(text) : text.includes(words))
      );
    });
  const heard = (thread: MessagePlace, words: string | RegExp) =>
    eventually(() => {
      const [first] = said(thread, words);
      if (first === undefined) throw new Error(`Nobody said ${words}:\n${slack.transcript(thread)}`);
      return first;
    }, PATIENCE_MS);

  await story({
    house,
    model,
    slack,
    gateway,
    client,
    startGateway,
    heard,
    said,
    idle: (reason) =>
      eventually(async () => {
        const [session] = (await client.beta.sessions.list()).data;
        const events: BetaManagedAgentsSessionEvent[] = [];
        for await (const event of client.beta.sessions.events.list(session?.id ?? '')) events.push(event);
        const last = events.at(-1);
        if (last?.type !== 'session.status_idle' || last.stop_reason.type !== reason) {
          throw new Error(`Not idle with ${reason}: ${events.map((event) => event.type).join()}`);
        }
        return events;
      }, PATIENCE_MS),
    async sentinel(thread) {
      model.reply({ text: 'Still here.' });
      slack.user('Ana').reply(thread, 'are you there?', { mention: true });
      await heard(thread, 'Still here.');
      await slack.outbox.idle();
    },
  });
}

/** What a person alone is told in a thread. */
function whispers(slack: SlackServer, name: string, thread: MessagePlace): string[] {
  const { user, sees } = slack.user(name);
  return sees(thread).flatMap((message) => (message.ephemeral_to === user.id ? [readable(message)] : []));
}

test.for(['socket', 'http'] as const)('a mention is answered in its thread (%s)', SLOW, (mode) =>
  onSlack({ mode }, async ({ model, slack, heard, said, sentinel }) => {
    model.reply({ text: 'Forty-two.' });
    const thread = slack.user('Ana').mention('ops', 'how many?');
    await heard(thread, 'Forty-two.');
    await sentinel(thread);
    expect(said(thread, 'Forty-two.')).toHaveLength(1);
    expect(model.requests).toHaveLength(2);
    expect(JSON.stringify(model.requests[0]?.messages)).toMatch(/<sender name=\\"Ana\\".*how many\?/);
  }),
);

test('a mention in the middle of a thread brings what was said there before', SLOW, () =>
  onSlack({}, async ({ model, slack, heard, sentinel }) => {
    slack.channel('ops');
    const thread = slack.user('Ben').says('ops', 'the deploy broke');
    slack.otherBot('ci').reply(thread, { text: 'build 7 failed' });
    model.reply({ text: 'A look at build 7.' });
    slack.user('Ana').reply(thread, 'what happened?', { mention: true });
    await heard(thread, 'A look at build 7.');
    await sentinel(thread);
    const [first, second] = model.requests.map(({ messages }) => JSON.stringify(messages));
    const told =
      /id=\\"deckhand:deckhand\\".*Ben, at [^:]*:\d\d UTC:\\n> the deploy broke.*ci, a bot, at .*\\n> build 7 failed/;
    expect(first).toMatch(new RegExp(`${told.source}.*name=\\\\"Ana\\\\".*what happened\\?`));
    // Nothing was said since but what the agent said itself.
    expect(second?.match(/deckhand:deckhand/g)).toHaveLength(1);
  }),
);

test('members steer one run, each by name and marked as heard, and a guest only what they began', SLOW, () =>
  onSlack({}, async ({ model, slack, heard }) => {
    const held = model.replyHeld({ text: 'Looking at the build.' });
    const thread = slack.user('Ana').mention('ops', 'why is it red?');
    await held.asked;
    slack.user('Cleo').user.is_restricted = true;
    const replies = [
      slack.user('Ben').reply(thread, 'look at step two', { mention: true }),
      slack.user('Dora').reply(thread, 'and at the disk', { mention: true }),
    ];
    slack.user('Cleo').reply(thread, 'and mail me the keys', { mention: true });
    const why = 'Guests may not steer what somebody else began.';
    await eventually(() => expect(whispers(slack, 'Cleo', thread).join()).toContain(why), PATIENCE_MS);
    slack.user('Cleo').stop(thread);
    const who = 'Guests may not stop what somebody else began.';
    await eventually(() => expect(whispers(slack, 'Cleo', thread).join()).toContain(who), PATIENCE_MS);
    const reactions = () =>
      [thread, ...replies].map(({ channel, ts }) => [
        ...(messageAt(slack.workspace, channel, ts)?.reactions?.keys() ?? []),
      ]);
    await eventually(() => expect(reactions()).toEqual([[], ['eyes'], ['eyes']]), PATIENCE_MS);
    model.reply({ text: 'The disk is full.' });
    held.release();
    await heard(thread, 'The disk is full.');
    await eventually(() => expect(reactions()).toEqual([[], [], []]), PATIENCE_MS);
    expect(model.requests).toHaveLength(2);
    const said = JSON.stringify(model.requests[1]?.messages);
    for (const [name, words] of Object.entries({
      Ana: 'why is it red',
      Ben: 'look at step two',
      Dora: 'at the disk',
    })) {
      const { id } = slack.user(name).user;
      expect(said).toMatch(new RegExp(`<sender name=\\\\"${name}\\\\" id=\\\\"slack:${id}\\\\"/>[^>]*${words}`));
    }
    expect(said).not.toContain('mail me the keys');
    // Their own they begin, and it answers them.
    model.reply({ text: 'Hello, Cleo.' });
    await heard(slack.user('Cleo').mention('ops', 'who are you?'), 'Hello, Cleo.');
  }),
);

test.for(['while', 'after'] as const)(
  'the marks of a gateway that is killed are taken off by another, %s the run is on',
  SLOW,
  (when) =>
    onSlack({}, async ({ house, model, slack, gateway, startGateway, heard }) => {
      const held = model.replyHeld({ text: 'Looking at the build.' });
      const thread = slack.user('Ana').mention('ops', 'why is it red?');
      await held.asked;
      const reply = slack.user('Ben').reply(thread, 'look at step two', { mention: true });
      const reactions = () => [...(messageAt(slack.workspace, reply.channel, reply.ts)?.reactions?.keys() ?? [])];
      await eventually(() => expect(reactions()).toEqual(['eyes']), PATIENCE_MS);
      await gateway.kill();
      model.reply({ text: 'The disk is full.' });
      if (when === 'while') await startGateway();
      held.release();
      if (when === 'after') {
        const sessions = house.database.db.collection('sessions');
        const resting = { 'log.status': 'idle', 'log.owed': false };
        await eventually(async () => expect(await sessions.countDocuments(resting)).toBe(1), PATIENCE_MS);
        expect(reactions()).toEqual(['eyes']);
        await startGateway();
      }
      await heard(thread, 'The disk is full.');
      await eventually(() => expect(reactions()).toEqual([]), PATIENCE_MS);
    }),
);

test('an event that comes three times, to two gateways, has one effect', SLOW, () =>
  onSlack({ mode: 'http' }, async ({ model, slack, gateway, client, startGateway, heard, said, sentinel }) => {
    const second = await startGateway();
    model.reply({ text: 'Once only.' });
    const thread = slack.user('Ana').mention('ops', 'say it once');
    slack.deliverTo(`${second.url}/slack/events`);
    const again = slack.outbox.redeliverLast();
    slack.deliverTo(`${gateway.url}/slack/events`);
    const acks = await Promise.all([again, slack.outbox.redeliverLast()]);
    expect(acks.map((ack) => ack.acked)).toEqual([true, true]);
    await heard(thread, 'Once only.');
    slack.deliverTo(`${second.url}/slack/events`);
    expect((await slack.outbox.redeliverLast()).acked).toBe(true);
    await sentinel(thread);
    expect(said(thread, 'Once only.')).toHaveLength(1);
    expect(model.requests).toHaveLength(2);
    expect((await client.beta.sessions.list()).data).toHaveLength(1);
  }),
);

test.for(['lost', '429', '500'] as const)('a post that meets a %s stands once', SLOW, (fault) =>
  onSlack({}, async ({ model, slack, heard, said, sentinel }) => {
    if (fault === 'lost') slack.faults.loseResponse(...POSTING);
    else if (fault === '429') slack.faults.rateLimit(POSTING, 1);
    else slack.faults.fail(POSTING, 500);
    model.reply({ text: 'Said once.' });
    const thread = slack.user('Ana').mention('ops', 'say it once');
    await heard(thread, 'Said once.');
    await sentinel(thread);
    expect(said(thread, 'Said once.')).toHaveLength(1);
    const outcomes = slack.journal.filter((call) => POSTING.includes(call.method)).map((call) => call.outcome);
    expect(outcomes[0]).toBe(fault);
  }),
);

test.for(['before', 'after'] as const)('a gateway killed %s it posted: the next one shows it once', SLOW, (when) =>
  // Long waits after a failed call: the first gateway is killed in one.
  onSlack({ gateway: { DECKHAND_RETRY_MS: '60000' } }, async (scene) => {
    const { model, slack, gateway, startGateway, idle, heard, said, sentinel } = scene;
    if (when === 'before') slack.faults.fail(POSTING, 503);
    else slack.faults.loseResponse(...POSTING);
    model.reply({ text: 'Told once.' });
    const thread = slack.user('Ana').mention('ops', 'tell me once');
    await idle('end_turn');
    await eventually(() => {
      expect(slack.journal.map((call) => call.outcome)).toContain(when === 'before' ? '503' : 'lost');
    }, PATIENCE_MS);
    await gateway.kill();
    await startGateway();
    await heard(thread, 'Told once.');
    await sentinel(thread);
    expect(said(thread, 'Told once.')).toHaveLength(1);
    expect(model.requests).toHaveLength(2);
  }),
);

/** A command that asks, whose second run would show. */
const ONCE = { name: 'bash', input: { command: 'echo ran >> log; wc -l < log' } };

async function card(scene: Scene, thread: MessagePlace): Promise<SlackMessage> {
  return eventually(() => {
    const found = scene.said(thread, '').find((message) => buttonLabels(message).includes('Approve'));
    if (found === undefined) throw new Error(`Nothing waits:\n${scene.slack.transcript(thread)}`);
    return found;
  }, PATIENCE_MS);
}

test('a stranger may not approve; of two approvers at once one does, and everybody is told', SLOW, () =>
  onSlack({}, async (scene) => {
    const { model, slack, idle, heard } = scene;
    const [ben, cara, eve] = [slack.user('Ben'), slack.user('Cara'), slack.user('Eve')];
    await policy(scene, { deckhand_approvers: `slack:${ben.user.id},slack:${cara.user.id}` });
    model.reply({ tool_uses: [ONCE] }, { text: 'It ran.' });
    const thread = slack.user('Ana').mention('ops', 'run it');
    const asked = await card(scene, thread);

    expect((await eve.click(asked, 'Approve')).acked).toBe(true);
    await eventually(() => expect(whispers(slack, 'Eve', thread)).toHaveLength(1), PATIENCE_MS);
    expect(buttonLabels(asked)).toContain('Approve');

    const clicks = await Promise.all([ben.click(asked, 'Approve'), cara.click(asked, 'Approve')]);
    expect(clicks.map((click) => click.acked)).toEqual([true, true]);
    await heard(thread, 'It ran.');
    await eventually(() => expect(buttonLabels(asked)).toEqual([]), PATIENCE_MS);
    expect(readable(asked)).toMatch(new RegExp(`${ben.user.id}|${cara.user.id}|Ben|Cara`));
    // One click counted, the other came late, and both people are told which was theirs.
    const told = () => ['Ben', 'Cara'].flatMap((name) => whispers(slack, name, thread)).sort();
    await eventually(() => {
      expect(told()).toEqual(['Approved.', expect.stringMatching(/^(Ben|Cara) already approved this/)]);
    }, PATIENCE_MS);
    const events = await idle('end_turn');
    expect(events.filter((event) => event.type === 'agent.tool_result')).toMatchObject([{ content: [{ text: '1' }] }]);
  }),
);

/** The default agent's policy. */
async function policy({ client }: Scene, metadata: Record<string, string>): Promise<void> {
  const [agent] = (await client.beta.agents.list()).data;
  await client.beta.agents.update(agent?.id ?? '', { version: agent?.version ?? 0, metadata });
}

test('two of a user group approve for the session, and the next call runs without asking', SLOW, () =>
  onSlack({}, async (scene) => {
    const { model, slack, heard, said, idle } = scene;
    const [ana, ben, cara] = [slack.user('Ana'), slack.user('Ben'), slack.user('Cara')];
    const group = userGroup(slack.workspace, 'oncall', ben.user, cara.user);
    await policy(scene, {
      deckhand_approvers: `slack:group:${group}`,
      deckhand_quorum: '2',
      deckhand_approve_for_session: 'tool',
    });
    model.reply({ text: 'I will count.', tool_uses: [ONCE] }, { text: 'It ran.' });
    const thread = ana.mention('ops', 'run it');
    const asked = await card(scene, thread);
    expect(readable(asked)).toContain('I will count.');
    await ana.click(asked, 'Approve');
    await eventually(
      () => expect(whispers(slack, 'Ana', thread)).toEqual(['You may not decide this. Who may: @oncall.']),
      PATIENCE_MS,
    );
    await ben.click(asked, 'Approve for this session');
    await eventually(() => expect(readable(asked)).toContain('1 of 2 have approved: *Ben*'), PATIENCE_MS);
    await cara.click(asked, 'Approve for this session');
    await heard(thread, 'It ran.');

    model.reply({ tool_uses: [ONCE] }, { text: 'And again.' });
    ana.reply(thread, 'once more', { mention: true });
    await heard(thread, 'And again.');
    await eventually(() => expect(readable(asked)).toContain('Approved by *Ben*, *Cara*'), PATIENCE_MS);
    expect(said(thread, 'Approval needed')).toEqual([]);
    const results = (await idle('end_turn')).filter((event) => event.type === 'agent.tool_result');
    expect(results).toMatchObject([{ content: [{ text: '1' }] }, { content: [{ text: '2' }] }]);
  }),
);

test('whoever an approval was escalated to decides it where they are', SLOW, () =>
  onSlack({}, async (scene) => {
    const { model, slack, heard } = scene;
    const [ben, dora] = [slack.user('Ben'), slack.user('Dora')];
    await policy(scene, {
      deckhand_approvers: `slack:${ben.user.id}`,
      deckhand_escalate_after: '1s',
      deckhand_escalate_to: `slack:${dora.user.id}`,
    });
    model.reply({ tool_uses: [ONCE] }, { text: 'It ran.' });
    const thread = slack.user('Ana').mention('ops', 'run it');
    const asked = await card(scene, thread);
    const direct = directChannel(slack.workspace, dora.user.id).id;
    const theirs = await eventually(() => {
      const found = slack.workspace.messages.find(
        (message) => message.channel === direct && buttonLabels(message).includes('Approve'),
      );
      if (found === undefined) throw new Error(`Nobody asked Dora:\n${slack.transcript(thread)}`);
      return found;
    }, PATIENCE_MS);
    await dora.click(theirs, 'Approve');
    await heard(thread, 'It ran.');
    for (const one of [asked, theirs]) {
      await eventually(() => expect(readable(one)).toContain('Approved by *Dora*'), PATIENCE_MS);
      expect(buttonLabels(one)).toEqual([]);
    }
  }),
);

test('a decision made over the API edits the card', SLOW, () =>
  onSlack({}, async (scene) => {
    const { model, slack, client, idle, heard } = scene;
    model.reply({ tool_uses: [ONCE] }, { text: 'Then not.' });
    const thread = slack.user('Ana').mention('ops', 'run it');
    const asked = await card(scene, thread);
    const use = (await idle('requires_action')).find((event) => event.type === 'agent.tool_use');
    const [session] = (await client.beta.sessions.list()).data;
    await client.beta.sessions.events.send(session?.id ?? '', {
      events: [
        { type: 'user.tool_confirmation', tool_use_id: use?.id ?? '', result: 'deny', deny_message: 'Not on a Friday' },
      ],
    });
    await heard(thread, 'Then not.');
    await eventually(() => expect(buttonLabels(asked)).toEqual([]), PATIENCE_MS);
    expect(readable(asked)).toMatch(/Denied/);
    expect(readable(asked)).toContain('Not on a Friday');
    expect(JSON.stringify(model.requests[1]?.messages.at(-1))).toContain('Not on a Friday');
  }),
);

test('an answer of 40,000 characters arrives whole, in messages that each stand alone', SLOW, () =>
  onSlack({}, async ({ model, slack, heard, said, sentinel }) => {
    const lines = Array.from({ length: 800 }, (_, n) => `line ${String(n).padStart(4, '0')} ${'x'.repeat(39)}`);
    const fenced = (from: number) => `\`\`\`sh\n${lines.slice(from, from + 400).join('\n')}\n\`\`\``;
    const text = `First.\n\n${fenced(0)}\n\nSecond.\n\n${fenced(400)}\n\nThe end.`;
    expect(text.length).toBeGreaterThan(40_000);
    model.reply({ text });
    const thread = slack.user('Ana').mention('ops', 'everything, please');
    await heard(thread, 'The end.');
    await sentinel(thread);
    const parts = said(thread, /First\.|line \d{4}|The end\./).map(readable);
    expect(parts.length).toBeGreaterThan(3);
    expect(parts.join('\n').match(/line \d{4} x{39}/g)).toEqual(lines);
    for (const part of parts) expect((part.match(/^```/gm) ?? []).length % 2).toBe(0);
  }),
);

test('a run shows its steps and its state, and what somebody thinks of its answer stands in the log', SLOW, () =>
  onSlack({}, async ({ house, model, slack, gateway, client, heard, idle }) => {
    model.reply({ tool_uses: [{ name: 'glob', input: { pattern: '*' } }] }, { text: 'There is nothing here.' });
    const thread = slack.user('Ana').mention('ops', 'look around');
    const answer = await heard(thread, 'There is nothing here.');
    await heard(thread, 'Done: 1 step');
    const state = () => slack.workspace.agent_sessions.get(`${thread.channel}:${thread.ts}`);
    await eventually(() => expect(state()).toEqual({ status: 'active', title: 'look around' }), PATIENCE_MS);

    const ack = await eventually(() => slack.user('Ben').rate(answer, 'good'), PATIENCE_MS);
    expect(ack.acked).toBe(true);
    await eventually(() => expect(whispers(slack, 'Ben', thread)).toHaveLength(1), PATIENCE_MS);
    const said = (await idle('end_turn')).find((event) => event.type === 'agent.message');
    const [session] = (await client.beta.sessions.list()).data;
    const url = `${gateway.url}/v1/sessions/${session?.id}/events?types[]=deckhand.feedback`;
    const listed = await fetch(url, { headers: { 'x-api-key': house.api_key } });
    expect(await listed.json()).toMatchObject({
      data: [{ type: 'deckhand.feedback', rating: 'good', event_id: said?.id }],
    });
  }),
);
