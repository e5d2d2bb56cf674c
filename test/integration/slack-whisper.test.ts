import { expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { startSlackHarness } from '../support/slack/harness.ts';
import { readable } from '../support/slack/transcript.ts';
import { directChannel } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';

const signal = AbortSignal.timeout(60_000);

it('says how much of a long answer one message does not hold, and how to see it', async () => {
  await using harness = await startSlackHarness(createRecordingReceiver());
  const { slack, connector } = harness;
  const { user } = slack.user('Ana');
  const { channel, ts } = slack.user('Ana').mention('ops', 'hello');
  await slack.outbox.idle();
  const key = { connector: 'slack', tenant: slack.workspace.team_id, channel, thread: ts };
  const lines = Array.from({ length: 300 }, (_, n) => `- **Agent ${n}** ${'x'.repeat(50)}`);
  await connector.whisper(key, { id: user.id, name: user.name }, lines.join('\n'), signal);
  const [told = ''] = slack.user('Ana').told('ops');
  const [list = '', rest] = told.split('\n\n');
  const shown = list.split('\n');
  expect(shown).toEqual(lines.slice(0, shown.length));
  expect(rest).toBe(
    `${300 - shown.length} more lines are left out: one message of Slack's holds no more. Ask about one by its name or id to see it.`,
  );
});

it.each(['not_in_channel', 'user_not_in_channel', 'is_archived'])(
  'is said in direct messages, with where it belongs, when Slack takes none there: %s',
  async (reason) => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack, connector } = harness;
    const { user } = slack.user('Ana');
    const { channel, ts } = slack.user('Ana').says('ops', 'hello');
    const key = { connector: 'slack', tenant: slack.workspace.team_id, channel, thread: ts };
    slack.faults.refuse('chat.postEphemeral', reason);
    await connector.whisper(key, { id: user.id, name: user.name }, 'Recorded.', signal);
    const { id } = directChannel(slack.workspace, user.id);
    const said = slack.workspace.messages.filter((message) => message.channel === id);
    expect(said.map(readable)).toEqual([`In <#${channel}>, about what you did there:\n\nRecorded.`]);
    expect(slack.user('Ana').told('ops')).toEqual([]);
  },
);

const REFUSED = { effect: 'refused', text: 'This agent is paused.' } as const;

it('is said once more to whoever wrote a message when Slack asks to wait, before a stop ends', async () => {
  const receiver = createRecordingReceiver();
  await using harness = await startSlackHarness(receiver);
  const { slack, connector } = harness;
  const calls = () => slack.journal.filter(({ method }) => method === 'chat.postEphemeral');
  receiver.answer(REFUSED);
  slack.faults.rateLimit('chat.postEphemeral', 7);
  slack.user('Ana').says('ops', 'hello');
  await eventually(() => expect(calls()).toHaveLength(1));
  // By its clock Slack would send again what it does not know to be acknowledged.
  await slack.outbox.idle();
  const stopped = connector.stop(STOP_MS);
  await eventually(async () => {
    await slack.clock.advance(7_000);
    expect(slack.user('Ana').told('ops')).toEqual([REFUSED.text]);
  });
  await stopped;
  expect(calls()).toHaveLength(2);
});

it('is given up where Slack asks to wait for longer, or again', async () => {
  const receiver = createRecordingReceiver();
  await using harness = await startSlackHarness(receiver);
  const { slack, connector } = harness;
  const calls = () => slack.journal.filter(({ method }) => method === 'chat.postEphemeral');
  receiver.answer(REFUSED);
  slack.faults.rateLimit('chat.postEphemeral', 31);
  slack.user('Ana').says('ops', 'hello');
  await eventually(() => expect(calls()).toHaveLength(1));
  await slack.outbox.idle();
  slack.faults.rateLimit('chat.postEphemeral', 7, 2);
  slack.user('Ben').says('ops', 'hello');
  await eventually(() => expect(calls()).toHaveLength(2));
  await slack.outbox.idle();
  await eventually(async () => {
    await slack.clock.advance(31_000);
    expect(calls()).toHaveLength(3);
  });
  await connector.stop(STOP_MS);
  expect(calls()).toHaveLength(3);
  expect([...slack.user('Ana').told('ops'), ...slack.user('Ben').told('ops')]).toEqual([]);
});
