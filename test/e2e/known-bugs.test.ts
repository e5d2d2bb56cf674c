import { describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House, type HouseProcess } from '../support/house.ts';
import { startTestModel, type TestModel } from '../support/model.ts';
import { descendants } from '../support/processes.ts';
import { buttonLabels, type MessagePlace } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';

/*
 * Bugs that agents in chat have shipped, each as its story. The others have their tests elsewhere: docs/reliability.md has the
 * list of all.
 */
const PATIENCE_MS = 30_000;
const SLOW = { timeout: 180_000 };

interface Scene {
  house: House;
  model: TestModel;
  slack: SlackServer;
  gateway: HouseProcess;
  worker: HouseProcess;
}

async function scene(story: (on: Scene) => Promise<void>, mode: 'socket' | 'http' = 'socket'): Promise<void> {
  await using model = await startTestModel();
  await using slack = await startSlackServer();
  const { bot, app, signing_secret } = slack.tokens;
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    SLACK_BOT_TOKEN: bot,
    SLACK_API_URL: slack.apiUrl,
    ...(mode === 'socket' ? { SLACK_APP_TOKEN: app } : { SLACK_SIGNING_SECRET: signing_secret }),
  });
  const [gateway, worker] = await Promise.all([house.start('gateway'), house.start('worker')]);
  await story({ house, model, slack, gateway, worker });
}

async function said(slack: SlackServer, thread: MessagePlace, words: string): Promise<void> {
  await eventually(() => expect(slack.transcript(thread)).toContain(words), PATIENCE_MS);
}

function timesSaid(slack: SlackServer, thread: MessagePlace, words: string): number {
  return slack.transcript(thread).split(words).length - 1;
}

describe('a bug that others shipped', () => {
  test('the same event three times, across replicas and a restart: one run', SLOW, () =>
    scene(async ({ house, model, slack, gateway }) => {
      slack.deliverTo(`${gateway.url}/slack/events`);
      model.reply({ text: 'Once only.' });
      const thread = slack.user('Ana').mention('ops', 'say it once');
      await said(slack, thread, 'Once only.');
      const second = await house.start('gateway');
      slack.deliverTo(`${second.url}/slack/events`);
      expect((await slack.outbox.redeliverLast()).acked).toBe(true);
      await gateway.kill();
      await second.kill();
      const third = await house.start('gateway');
      slack.deliverTo(`${third.url}/slack/events`);
      expect((await slack.outbox.redeliverLast()).acked).toBe(true);
      // Whatever was on its way has arrived when this is answered.
      model.reply({ text: 'Still here.' });
      slack.user('Ana').reply(thread, 'are you there?', { mention: true });
      await said(slack, thread, 'Still here.');
      expect(timesSaid(slack, thread, 'Once only.')).toBe(1);
      expect(model.requests).toHaveLength(2);
    }, 'http'),
  );

  test('an approval lost on restart: it waits, and its card works after it', SLOW, () =>
    scene(async ({ house, model, slack, gateway, worker }) => {
      model.reply({ tool_uses: [{ name: 'bash', input: { command: 'echo ran >> log; wc -l < log' } }] });
      const thread = slack.user('Ana').mention('ops', 'run it');
      const card = await eventually(() => {
        const found = slack
          .user('Ana')
          .sees(thread)
          .find((message) => buttonLabels(message).includes('Approve'));
        if (found === undefined) throw new Error(`Nothing waits:\n${slack.transcript(thread)}`);
        return found;
      }, PATIENCE_MS);
      await Promise.all([gateway.kill(), worker.kill()]);
      await Promise.all([house.start('gateway'), house.start('worker')]);
      model.reply({ text: 'It ran.' });
      expect((await slack.user('Ben').click(card, 'Approve')).acked).toBe(true);
      await said(slack, thread, 'It ran.');
      expect(JSON.stringify(model.requests.at(-1)?.messages.at(-1))).toContain('"text":"1"');
      await eventually(() => expect(buttonLabels(card)).toEqual([]), PATIENCE_MS);
    }),
  );

  test('a message in another thread dropped while busy: it is answered meanwhile', SLOW, () =>
    scene(async ({ model, slack }) => {
      const held = model.replyHeld({ text: 'The first takes long.' });
      const first = slack.user('Ana').mention('ops', 'something long');
      await held.asked;
      model.reply({ text: 'The second is quick.' });
      const second = slack.user('Ben').mention('ops', 'something quick');
      await said(slack, second, 'The second is quick.');
      expect(slack.transcript(first)).not.toContain('The first takes long.');
      held.release();
      await said(slack, first, 'The first takes long.');
    }),
  );

  test('Claude answered in text and nothing was posted: every text is, beside a call and behind it', SLOW, () =>
    scene(async ({ model, slack }) => {
      const look = { name: 'bash', input: { command: 'pwd' } };
      model.reply(
        { text: 'I look first.', tool_uses: [look] },
        { tool_uses: [look] },
        { text: 'I looked twice.', tool_uses: [look] },
        { text: 'Done.' },
      );
      const thread = slack.user('Ana').mention('ops', 'look around');
      await said(slack, thread, 'Done.');
      const told = slack.transcript(thread);
      const places = ['I look first.', 'I looked twice.', 'Done.'].map((words) => told.indexOf(words));
      expect(places).not.toContain(-1);
      expect(places).toEqual([...places].sort((a, b) => a - b));
    }),
  );

  test('the sandbox died and every follow-up failed: the call says so, and the next has a new one', SLOW, () =>
    scene(async ({ model, slack, worker }) => {
      model.reply(
        { tool_uses: [{ name: 'bash', input: { command: 'tail -f /dev/null' } }] },
        { text: 'It broke off.' },
      );
      const thread = slack.user('Ana').mention('ops', 'watch it');
      await eventually(() => {
        const running = descendants(worker.pid).some(({ command }) => command.startsWith('tail -f'));
        expect(running).toBe(true);
      }, PATIENCE_MS);
      for (const { pid, command } of descendants(worker.pid)) {
        if (!command.includes('bwrap')) continue;
        try {
          process.kill(pid, 'SIGKILL');
        } catch {
          // Its parent took it along.
        }
      }
      await said(slack, thread, 'It broke off.');
      for (const words of ['Works again.', 'And again.']) {
        model.reply({ tool_uses: [{ name: 'bash', input: { command: 'pwd' } }] }, { text: words });
        slack.user('Ana').reply(thread, 'where are you?', { mention: true });
        await said(slack, thread, words);
        expect(JSON.stringify(model.requests.at(-1)?.messages.at(-1))).toContain('"text":"/workspace"');
      }
    }),
  );
});
