import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { LEAVE_MS, startProbedBalancer } from '../support/probed-balancer.ts';
import { askFirst, startRolling } from '../support/rolling.ts';
import { sayOrDo } from '../support/say-or-do.ts';
import { buttonLabels, type MessagePlace } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';

type Mode = 'HTTP' | 'Socket Mode';

const PEOPLE = 12;
const PATIENCE_MS = 120_000;

/** @param since how many of the workspace's messages are passed over */
function saidIn(slack: SlackServer, thread: MessagePlace, words: string, since = 0): number {
  return slack.workspace.messages
    .slice(since)
    .filter(
      (message) =>
        message.channel === thread.channel &&
        message.thread_ts === thread.ts &&
        message.bot_id !== undefined &&
        readable(message).includes(words),
    ).length;
}

/** Somebody who writes, waits for the answer, asks for a command, approves it, and writes again. Returns what must stand there. */
async function person(slack: SlackServer, name: string, mode: Mode, going: () => boolean) {
  const me = slack.user(name);
  const answers: string[] = [];
  let thread: MessagePlace | null = null;
  let n = 0;
  let spoke = 0;
  async function says(words: string): Promise<MessagePlace> {
    spoke = slack.workspace.messages.length;
    if (thread === null) thread = me.mention(`channel-${name}`, words);
    else me.reply(thread, words, { mention: true });
    return thread;
  }
  /** Until Slack shows it in the thread. */
  async function sees<T>(at: MessagePlace, what: () => T | false | undefined): Promise<T> {
    const look = () => what() || expect.unreachable('Not there yet');
    return eventually(look, PATIENCE_MS).catch((cause: unknown) => {
      throw new Error(`It never came:\n${slack.transcript(at)}`, { cause });
    });
  }
  async function hears(at: MessagePlace, words: string): Promise<void> {
    answers.push(words);
    await sees(at, () => saidIn(slack, at, words, spoke) > 0);
  }
  /** A press without an acknowledgement is a warning sign at the button, and its person presses again. */
  async function presses(card: SlackMessage): Promise<void> {
    const { acked } = await me.click(card, 'Approve');
    // What Slack sends in the very moment in which a connection is hung up is nobody's.
    if (!acked && mode === 'Socket Mode') return presses(card);
    expect(acked).toBe(true);
  }
  while (going() || n === 0) {
    n += 1;
    const at = await says(`say ${n}`);
    await hears(at, `Said ${n}.`);
    await says(`do ${n}`);
    const card = await sees(at, () =>
      slack.workspace.messages.find(
        (message) =>
          message.thread_ts === at.ts && message.channel === at.channel && buttonLabels(message).includes('Approve'),
      ),
    );
    await presses(card);
    await hears(at, `Did ${n}.`);
  }
  return { me, thread: thread ?? expect.unreachable(), answers, rounds: n };
}

for (const mode of ['HTTP', 'Socket Mode'] satisfies Mode[]) {
  test(`a rolling restart while people write over ${mode} shows nobody an error, and everything is answered once`, {
    timeout: 600_000,
  }, async () => {
    const isHttp = mode === 'HTTP';
    await using model = await startTestModel();
    model.otherwise(sayOrDo);
    await using slack = await startSlackServer();
    await using balancer = await startProbedBalancer();
    if (isHttp) slack.deliverTo(`${balancer.url}/slack/events`);
    await using house = await buildHouse({
      ANTHROPIC_API_KEY: 'test',
      ANTHROPIC_BASE_URL: model.base_url,
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_API_URL: slack.apiUrl,
      ...(isHttp ? { SLACK_SIGNING_SECRET: slack.tokens.signing_secret } : { SLACK_APP_TOKEN: slack.tokens.app }),
      // Over a socket of its own no balancer has to notice anything.
      DECKHAND_LEAVE_MS: isHttp ? String(LEAVE_MS) : '0',
      // Long enough for a busy machine to lose nobody.
      DECKHAND_LEASE_MS: '20000',
    });
    const rolling = await startRolling(house, balancer);
    await askFirst(house, balancer);

    let going = true;
    const people = Array.from({ length: PEOPLE }, (_, n) => person(slack, `person-${n}`, mode, () => going));
    // What fails must fail the test at once, and not after the restarts.
    const all = Promise.all(people);
    const restarted = rolling.restart().then(() => {
      going = false;
    });
    await Promise.race([restarted, all.then(() => restarted)]);

    for (const { me, thread, answers, rounds } of await all) {
      expect(answers).toHaveLength(2 * rounds);
      expect(answers.map((words) => [words, saidIn(slack, thread, words)])).toEqual(answers.map((words) => [words, 1]));
      // To them alone: that their click counted, and nothing else.
      const whispered = me.sees(thread).filter(({ ephemeral_to }) => ephemeral_to !== undefined);
      expect(new Set(whispered.map(({ text }) => text))).toEqual(new Set(['Approved.']));
    }
    const { db } = house.database;
    const sessions = await db.collection('sessions').find().toArray();
    expect(sessions).toHaveLength(PEOPLE);
    const errors = { $or: [{ 'log.tail.event.type': 'session.error' }] };
    expect(await db.collection('sessions').countDocuments(errors)).toBe(0);
    expect(await db.collection('session_events').countDocuments({ type: 'session.error' })).toBe(0);
  });
}
