import { describe, expect, it } from 'vitest';
import { createSlackConnector } from '../../connectors/slack/index.ts';
import { PLAN_SIZE } from '../../connectors/slack/plan-blocks.ts';
import { RateLimitedError } from '../../src/chat/connector.ts';
import type { Outgoing, PlannedCall } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { plannedCall, planOut, REMOVAL, textOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { checkTaskBytes, withoutIds } from '../support/slack/block-limits.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from '../support/slack/harness.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';

const signal = AbortSignal.timeout(60_000);

interface Scene extends AsyncDisposable {
  slack: SlackHarness['slack'];
  connector: SlackHarness['connector'];
  key: ConversationKey;
  /** The one message of the bot. */
  message(): SlackMessage | undefined;
  plan(): unknown;
  calls(): string[];
}

async function begun(place: 'channel' | 'dm'): Promise<Scene> {
  const harness = await startSlackHarness(createRecordingReceiver());
  const { slack, connector } = harness;
  const ana = slack.user('Ana');
  const root = place === 'dm' ? ana.dm('hello') : ana.mention('ops', 'hello');
  await slack.outbox.idle();
  const message = () => slack.workspace.messages.find((m) => m.bot_id !== undefined);
  return {
    slack,
    connector,
    key: { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts },
    message,
    plan() {
      const plan = message()?.blocks.find((block) => block.type === 'plan');
      const tasks = (plan?.['tasks'] ?? []) as { title: string; status: string }[];
      return [plan?.['title'], ...tasks.map(({ title, status }) => `${title}: ${status}`)];
    },
    calls: () =>
      slack.journal.filter((call) => call.method.startsWith('chat.')).map((call) => `${call.method} ${call.outcome}`),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

const running = plannedCall();
const done = plannedCall({ status: 'done' });
const second = plannedCall({ id: 'sevt_2', title: 'Read a file', detail: 'notes.md' });
const failed = plannedCall({ ...second, status: 'failed', output: 'No such file' });

const asked = plannedCall({ id: 'sevt_3', title: REMOVAL.summary, detail: '', status: 'waiting' });
const denied = plannedCall({ ...asked, status: 'denied', output: 'Denied by Ben: not on a Friday' });

/** A run of two calls, step by step. */
const STEPS: Outgoing[] = [
  planOut('dlv_p', [running]),
  planOut('dlv_p', [done, second]),
  planOut('dlv_p', [done, failed], { live: false, over: true }),
];

/** The message as Slack has it. */
async function matches(name: string, scene: Scene): Promise<void> {
  const { text = '', blocks = [] } = scene.message() ?? {};
  const shown = JSON.stringify({ text, blocks: withoutIds(blocks) }, null, 2);
  await expect(`${shown}\n`).toMatchFileSnapshot(`../snapshots/slack/${name}.json`);
}

async function play({ connector, key }: Scene, steps: Outgoing[]): Promise<string> {
  const [first, ...more] = steps;
  if (first === undefined) throw new Error('Nothing to play');
  const ref = await connector.post(key, first, signal);
  for (const step of more) await connector.edit(key, ref, step, signal);
  return ref;
}

describe('the calls of a run in Slack', () => {
  it.each([
    ['channel', ['chat.postMessage ok', 'chat.update ok', 'chat.update ok']],
    ['dm', ['chat.startStream ok', 'chat.appendStream ok', 'chat.stopStream ok']],
  ] as const)('stand in one message in a %s and are found by its delivery', async (place, calls) => {
    await using scene = await begun(place);
    const ref = await play(scene, STEPS);
    expect(scene.calls()).toEqual(calls);
    expect(scene.plan()).toEqual(['Done: 2 steps, 1 without success', 'Run a command: complete', 'Read a file: error']);
    expect(await scene.connector.find(scene.key, 'dlv_p', signal)).toBe(ref);
    await matches(`plan-${place}`, scene);
  });

  it.each(['channel', 'dm'] as const)('are shown in a %s as they run, wait and are denied', async (place) => {
    await using scene = await begun(place);
    const ref = await scene.connector.post(scene.key, planOut('dlv_p', [done, second]), signal);
    await matches(`plan-${place}-running`, scene);
    const read = { ...second, status: 'done' } as const;
    await scene.connector.edit(scene.key, ref, planOut('dlv_p', [done, read, asked], { live: false }), signal);
    await matches(`plan-${place}-waiting`, scene);
    const third = plannedCall({ id: 'sevt_4', title: 'Write a file', detail: 'answer.md' });
    await scene.connector.edit(scene.key, ref, planOut('dlv_p', [done, read, denied, third]), signal);
    await matches(`plan-${place}-denied`, scene);
  });

  it('sends a stream what changed, the details once', async () => {
    await using scene = await begun('dm');
    await play(scene, [...STEPS.slice(0, 2), ...STEPS.slice(1)]);
    const sent = scene.slack.journal.filter((call) => call.method === 'chat.appendStream');
    expect(sent.map((call) => JSON.parse(String(call.args['chunks'])))).toEqual([
      [
        { type: 'plan_update', title: 'Working: 2 steps so far' },
        { type: 'task_update', id: 'sevt_1', title: 'Run a command', status: 'complete' },
        { type: 'task_update', id: 'sevt_2', title: 'Read a file', status: 'in_progress', details: 'notes.md' },
      ],
    ]);
  });

  it('stops streaming while a person is asked, and goes on as edits', async () => {
    await using scene = await begun('dm');
    const waiting = plannedCall({ ...second, detail: '', status: 'waiting' });
    await play(scene, [
      planOut('dlv_p', [running]),
      planOut('dlv_p', [done, waiting], { live: false }),
      planOut('dlv_p', [done, second]),
      planOut('dlv_p', [done, { ...second, status: 'done' }], { live: false, over: true }),
    ]);
    expect(scene.calls()).toEqual(['chat.startStream ok', 'chat.stopStream ok', 'chat.update ok', 'chat.update ok']);
    expect(scene.plan()).toEqual(['Done: 2 steps', 'Run a command: complete', 'Read a file: complete']);
  });

  it('leaves no stream to Slack that would end it, however silent the run', async () => {
    await using scene = await begun('dm');
    const ref = await scene.connector.post(scene.key, planOut('dlv_p', [running]), signal);
    await scene.slack.clock.advance(240_000);
    await eventually(() => expect(scene.message()?.stream?.state).toBe('completed'));
    await scene.slack.clock.advance(360_000);
    await scene.connector.edit(scene.key, ref, planOut('dlv_p', [done], { live: false, over: true }), signal);
    expect(scene.calls()).toEqual(['chat.startStream ok', 'chat.stopStream ok', 'chat.update ok']);
    expect(scene.plan()).toEqual(['Done: 1 step', 'Run a command: complete']);
    expect(await scene.connector.find(scene.key, 'dlv_p', signal)).toBe(ref);
  });

  it.each(['chat.appendStream', 'chat.stopStream'])('are put right when Slack refuses %s', async (method) => {
    await using scene = await begun('dm');
    scene.slack.faults.refuse(
      method,
      method.endsWith('stopStream') ? 'msg_too_long' : 'message_not_in_streaming_state',
    );
    await play(scene, STEPS);
    expect(scene.plan()).toEqual(['Done: 2 steps, 1 without success', 'Run a command: complete', 'Read a file: error']);
    expect(scene.message()?.stream?.state).toBe('completed');
  });

  it('are posted and edited where Slack takes no stream', async () => {
    await using scene = await begun('dm');
    scene.slack.faults.refuse('chat.startStream', 'channel_type_not_supported');
    await play(scene, STEPS);
    expect(scene.calls().slice(1)).toEqual(['chat.postMessage ok', 'chat.update ok', 'chat.update ok']);
  });

  it('say nothing twice when an answer is lost, and wait out a rate limit', async () => {
    await using scene = await begun('dm');
    const [first, next, last] = STEPS as [Outgoing, Outgoing, Outgoing];
    const ref = await scene.connector.post(scene.key, first, signal);
    scene.slack.faults.loseResponse('chat.appendStream');
    await expect(scene.connector.edit(scene.key, ref, next, signal)).rejects.toThrow();
    await scene.connector.edit(scene.key, ref, next, signal);
    scene.slack.faults.rateLimit('chat.update', 3);
    await expect(scene.connector.edit(scene.key, ref, last, signal)).rejects.toThrow(RateLimitedError);
    await scene.connector.edit(scene.key, ref, last, signal);
    expect(scene.plan()).toEqual(['Done: 2 steps, 1 without success', 'Run a command: complete', 'Read a file: error']);
  });

  it('go on in another process', async () => {
    await using scene = await begun('dm');
    const [first, next, last] = STEPS as [Outgoing, Outgoing, Outgoing];
    await scene.connector.post(scene.key, first, signal);
    const other = createSlackConnector(slackOptions(scene.slack));
    await other.start(createRecordingReceiver());
    const ref = await other.find(scene.key, 'dlv_p', signal);
    if (ref === null) throw new Error('The stream must be found');
    await other.edit(scene.key, ref, next, signal);
    await other.edit(scene.key, ref, last, signal);
    await other.stop(STOP_MS);
    expect(scene.plan()).toEqual(['Done: 2 steps, 1 without success', 'Run a command: complete', 'Read a file: error']);
  });

  it('stream beside the text of the answer', async () => {
    await using scene = await begun('dm');
    const plan = await scene.connector.post(scene.key, planOut('dlv_p', [running]), signal);
    const text = await scene.connector.post(scene.key, textOut('dlv_t', 'I am ', true), signal);
    await scene.connector.edit(scene.key, plan, planOut('dlv_p', [done]), signal);
    await scene.connector.edit(scene.key, text, textOut('dlv_t', 'I am done.'), signal);
    await scene.connector.edit(scene.key, plan, planOut('dlv_p', [done], { live: false, over: true }), signal);
    expect(scene.calls().filter((call) => !call.endsWith('ok'))).toEqual([]);
  });

  it.each([
    ['letters', 'x'],
    ['ideographs', '好'],
    ['pictures', '🛠'],
    ['markup', '&<@U1> '],
  ])('fit into a message with the longest of %s', async (_what, filler) => {
    const long = filler.repeat(300);
    const call = (n: number, status: PlannedCall['status']) =>
      plannedCall({ id: `sevt_${n}`, title: long, detail: long, output: status === 'failed' ? long : '', status });
    const all = (status: PlannedCall['status']) => Array.from({ length: PLAN_SIZE }, (_each, n) => call(n, status));
    const steps = [
      planOut('dlv_p', all('running')),
      planOut('dlv_p', all('failed')),
      planOut('dlv_p', all('failed'), { live: false, over: true }),
    ];
    for (const place of ['channel', 'dm'] as const) {
      await using scene = await begun(place);
      await play(scene, steps);
      expect(scene.calls().filter((one) => !one.endsWith('ok'))).toEqual([]);
      const blocks = scene.message()?.blocks ?? [];
      // Some text stands beside it at most: the line that says who speaks.
      checkTaskBytes([...blocks, { type: 'context', elements: [{ type: 'mrkdwn', text: 'x'.repeat(120) }] }]);
    }
  });
});
