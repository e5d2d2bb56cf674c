import Anthropic from '@anthropic-ai/sdk';
import { expect, test } from 'vitest';
import type { Answer, ModelRequest } from '../../src/embedded/messages-api.ts';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type HouseProcess } from '../support/house.ts';
import { startTestModel } from '../support/model.ts';
import { buttonLabels, type MessagePlace } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';
import { startBalancer } from '../support/soak/balancer.ts';

type Mode = 'HTTP' | 'Socket Mode';

const PEOPLE = 3;
const PATIENCE_MS = 60_000;

/** Claude's answer from what it is asked alone: `say n`, or `do n`, which is a command that somebody must approve. */
function answerOf({ messages }: ModelRequest): Answer {
  const last = JSON.stringify(messages.at(-1)?.content ?? '');
  const [, , n] = [...JSON.stringify(messages).matchAll(/(say|do) (\d+)/g)].at(-1) ?? [];
  if (last.includes('"tool_result"')) return { text: `Did ${n}.` };
  return last.includes(`do ${n}`)
    ? { tool_uses: [{ name: 'bash', input: { command: `: do ${n}` } }] }
    : { text: `Said ${n}.` };
}

function saidIn(slack: SlackServer, thread: MessagePlace, words: string): number {
  return slack.workspace.messages.filter(
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
  async function says(words: string): Promise<MessagePlace> {
    if (thread === null) thread = me.mention(`channel-${name}`, words);
    else me.reply(thread, words, { mention: true });
    return thread;
  }
  async function hears(at: MessagePlace, words: string): Promise<void> {
    answers.push(words);
    await eventually(() => {
      if (saidIn(slack, at, words) === 0) throw new Error(`Nobody said ${words}:\n${slack.transcript(at)}`);
    }, PATIENCE_MS);
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
    const card = await eventually(() => {
      const found = slack.workspace.messages.find(
        (message) =>
          message.thread_ts === at.ts && message.channel === at.channel && buttonLabels(message).includes('Approve'),
      );
      if (found === undefined) throw new Error(`Nothing waits:\n${slack.transcript(at)}`);
      return found;
    }, PATIENCE_MS);
    await presses(card);
    await hears(at, `Did ${n}.`);
  }
  return { me, thread: thread ?? expect.unreachable(), answers, rounds: n };
}

/**
 * What leaves gets no new connection. The balancer is told, where a real one looks at `/readyz`: how soon it would look on a busy
 * machine is not what is tested (graceful-stop.test.ts has what it sees). What is open is served for `DECKHAND_LEAVE_MS`.
 */
async function leaves(gateway: HouseProcess, takeOut: () => void): Promise<void> {
  takeOut();
  expect(await gateway.stop()).toBe(0);
}

for (const mode of ['HTTP', 'Socket Mode'] satisfies Mode[]) {
  test(`a rolling restart while people write over ${mode} shows nobody an error, and everything is answered once`, {
    timeout: 600_000,
  }, async () => {
    const isHttp = mode === 'HTTP';
    await using model = await startTestModel();
    model.otherwise(answerOf);
    await using slack = await startSlackServer();
    await using balancer = await startBalancer();
    if (isHttp) slack.deliverTo(`${balancer.url}/slack/events`);
    await using house = await buildHouse({
      ANTHROPIC_API_KEY: 'test',
      ANTHROPIC_BASE_URL: model.base_url,
      SLACK_BOT_TOKEN: slack.tokens.bot,
      SLACK_API_URL: slack.apiUrl,
      ...(isHttp ? { SLACK_SIGNING_SECRET: slack.tokens.signing_secret } : { SLACK_APP_TOKEN: slack.tokens.app }),
      // Longer than Slack keeps an idle connection open.
      DECKHAND_LEAVE_MS: isHttp ? '3000' : '0',
      // Long enough for a busy machine to lose nobody.
      DECKHAND_LEASE_MS: '20000',
    });
    // How sessions are handed over does not depend on how Slack is heard.
    const [one, two, ...workers] = await Promise.all([
      house.start('gateway'),
      house.start('gateway'),
      house.start('worker'),
      ...(isHttp ? [house.start('worker')] : []),
    ]);
    const gateways = Object.entries({ one, two });
    for (const [name, gateway] of gateways) balancer.set(name, gateway.url);
    const { beta } = new Anthropic({ baseURL: one.url, apiKey: house.api_key, maxRetries: 0 });
    const [agent] = (await beta.agents.list()).data;
    await beta.agents.update(agent?.id ?? '', {
      version: agent?.version ?? 0,
      tools: [{ type: 'agent_toolset_20260401', default_config: { permission_policy: { type: 'always_ask' } } }],
    });

    let going = true;
    const people = Array.from({ length: PEOPLE }, (_, n) => person(slack, `person-${n}`, mode, () => going));
    // What fails must fail the test at once, and not after the restarts.
    const all = Promise.all(people);
    const restarted = (async () => {
      for (const [name, gateway] of gateways) {
        await leaves(gateway, () => balancer.set(name, null));
        balancer.set(name, (await house.start('gateway')).url);
      }
      for (const old of isHttp ? workers : []) {
        expect(await old.stop()).toBe(0);
        // The last one leaves sessions to the first one's successor.
        if (old !== workers.at(-1)) await house.start('worker');
      }
      going = false;
    })();
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
