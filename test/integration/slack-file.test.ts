import { describe, expect, it } from 'vitest';
import { createSlackConnector } from '../../connectors/slack/index.ts';
import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from '../support/slack/harness.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';

const signal = AbortSignal.timeout(60_000);
const whole: Outgoing = {
  kind: 'file',
  delivery_id: 'dlv_1.20',
  name: 'answer.md',
  content: 'Ünïcode 🛠\n'.repeat(5_000),
  markdown: 'The whole of it & more.',
  agent_name: 'Deckhand',
};

interface Scene extends AsyncDisposable {
  slack: SlackHarness['slack'];
  connector: SlackHarness['connector'];
  key: ConversationKey;
  posted(): SlackMessage[];
}

async function begun(): Promise<Scene> {
  const harness = await startSlackHarness(createRecordingReceiver());
  const { slack, connector } = harness;
  const root = slack.user('Ana').mention('ops', 'hello');
  await slack.outbox.idle();
  return {
    slack,
    connector,
    key: { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts },
    posted: () => slack.workspace.messages.filter((m) => m.bot_id !== undefined),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('a file in Slack', () => {
  it('stands in the thread with every byte, is found by its delivery, and is never edited', async () => {
    await using scene = await begun();
    const ref = await scene.connector.post(scene.key, whole, signal);
    await scene.connector.edit(scene.key, ref, whole, signal);
    const [message, ...more] = scene.posted();
    expect(more).toEqual([]);
    expect(message).toMatchObject({
      thread_ts: scene.key.thread,
      text: 'The whole of it &amp; more.',
      files: [{ title: 'answer.md' }],
    });
    const upload = scene.slack.workspace.uploads.get(message?.files?.[0]?.id ?? '');
    expect(upload?.bytes?.toString('utf8')).toBe(whole.kind === 'file' ? whole.content : '');
    expect(await scene.connector.find(scene.key, 'dlv_1.20', signal)).not.toBeNull();
    expect(await scene.connector.find(scene.key, 'dlv_1.2', signal)).toBeNull();
    expect(await scene.connector.find(scene.key, 'dlv_1', signal)).toBeNull();
  });

  it('stands at the top level where the conversation has no thread', async () => {
    await using scene = await begun();
    const key = { ...scene.key, thread: scene.key.channel };
    await scene.connector.post(key, whole, signal);
    expect(scene.posted()[0]?.thread_ts).toBeUndefined();
  });

  it('is found by another process when the answer to its last step was lost', async () => {
    await using scene = await begun();
    scene.slack.faults.loseResponse('files.completeUploadExternal');
    await expect(scene.connector.post(scene.key, whole, signal)).rejects.toThrow();
    const other = createSlackConnector(slackOptions(scene.slack));
    await other.start(createRecordingReceiver());
    expect(await other.find(scene.key, 'dlv_1.20', signal)).not.toBeNull();
    await other.stop(STOP_MS);
  });

  it.each([
    ['the place for it', 'files.getUploadURLExternal'],
    ['its bytes', 'upload'],
    ['its message', 'files.completeUploadExternal'],
  ])('is not there when Slack fails at %s, and is at the next try', async (_what, step) => {
    await using scene = await begun();
    scene.slack.faults.fail(step, 500);
    const failed = await scene.connector.post(scene.key, whole, signal).catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(Error);
    expect(failed).not.toBeInstanceOf(PostRefusedError);
    expect(await scene.connector.find(scene.key, 'dlv_1.20', signal)).toBeNull();
    await scene.connector.post(scene.key, whole, signal);
    expect(scene.posted()).toHaveLength(1);
  });

  it('waits as long as Slack says, and is refused for good where the installation may not', async () => {
    await using scene = await begun();
    scene.slack.faults.rateLimit('files.completeUploadExternal', 5);
    await expect(scene.connector.post(scene.key, whole, signal)).rejects.toThrow(RateLimitedError);
    scene.slack.faults.refuse('files.getUploadURLExternal', 'missing_scope');
    await expect(scene.connector.post(scene.key, whole, signal)).rejects.toThrow(PostRefusedError);
  });
});
