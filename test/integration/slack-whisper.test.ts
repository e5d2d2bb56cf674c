import { expect, it } from 'vitest';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { startSlackHarness } from '../support/slack/harness.ts';

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
