import type { Db } from 'mongodb';
import { describe, expect, it } from 'vitest';
import { createSlackConnector } from '../../connectors/slack/index.ts';
import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { testDatabase } from '../support/services.ts';
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
  files: RecordingReceiver['files'];
  key: ConversationKey;
  posted(): SlackMessage[];
}

async function begun(db: Db | null = null): Promise<Scene> {
  const receiver = createRecordingReceiver();
  const harness = await startSlackHarness(receiver, { db });
  const { slack, connector } = harness;
  const root = slack.user('Ana').mention('ops', 'hello');
  await slack.outbox.idle();
  return {
    slack,
    files: receiver.files,
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
    await using database = await testDatabase();
    await using scene = await begun(database.db);
    scene.slack.faults.loseResponse('files.completeUploadExternal');
    await expect(scene.connector.post(scene.key, whole, signal)).rejects.toThrow();
    const other = createSlackConnector(slackOptions(scene.slack, { db: database.db }));
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

  it.each([400, 403, 404, 413, 415])(
    'is refused for good when Slack answers %s to its bytes, and says it',
    async (status) => {
      await using scene = await begun();
      scene.slack.faults.fail('upload', status);
      const refused = await scene.connector.post(scene.key, whole, signal).catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(PostRefusedError);
      expect(refused).toMatchObject({ reason: `Slack answered ${status} to its bytes` });
      expect(scene.posted()).toEqual([]);
    },
  );

  it.each([408, 500, 502, 503])('may be tried again when Slack answers %s to its bytes', async (status) => {
    await using scene = await begun();
    scene.slack.faults.fail('upload', status);
    const failed = await scene.connector.post(scene.key, whole, signal).catch((error: unknown) => error);
    expect(failed).toMatchObject({ message: `Slack answered ${status} to a file's bytes` });
    expect(failed).not.toBeInstanceOf(PostRefusedError);
  });

  it('waits as long as Slack says where that takes no bytes for now', async () => {
    await using scene = await begun();
    scene.slack.faults.rateLimit('upload', 7);
    const limited = await scene.connector.post(scene.key, whole, signal).catch((error: unknown) => error);
    expect(limited).toBeInstanceOf(RateLimitedError);
    expect(limited).toMatchObject({ retry_after_ms: 7_000 });
  });
});

describe('a file that the house keeps', () => {
  /** Pieces that come one by one. */
  async function* pieces(count: number): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < count; n++) yield Buffer.alloc(100_000, 200 + n);
  }

  async function whole(of: AsyncIterable<Uint8Array>): Promise<Buffer> {
    const all: Uint8Array[] = [];
    for await (const piece of of) all.push(piece);
    return Buffer.concat(all);
  }

  function picture(file_id: string, size_bytes: number): Outgoing {
    const content = { file_id, mime_type: 'image/png', size_bytes };
    return { kind: 'file', delivery_id: 'dlv_2', name: 'chart.png', content, markdown: '', agent_name: 'Deckhand' };
  }

  it('goes to Slack in pieces and stands in the thread with every byte, without words', async () => {
    await using scene = await begun();
    const size_bytes = 3_000_000;
    const file = { filename: 'chart.png', mime_type: 'image/png', size_bytes, content: () => pieces(30) };
    scene.files.set('file_1', file);
    await scene.connector.post(scene.key, picture('file_1', size_bytes), signal);
    const [message] = scene.posted();
    expect(message).toMatchObject({ text: '', thread_ts: scene.key.thread, files: [{ title: 'chart.png' }] });
    const upload = scene.slack.workspace.uploads.get(message?.files?.[0]?.id ?? '');
    expect(upload?.name).toBe('chart.png');
    expect(upload?.bytes?.equals(await whole(pieces(30)))).toBe(true);
    expect(await scene.connector.find(scene.key, 'dlv_2', signal)).not.toBeNull();
  });

  it('is refused when it is gone or empty, and what breaks off midway may be tried again', async () => {
    await using scene = await begun();
    await expect(scene.connector.post(scene.key, picture('file_0', 5), signal)).rejects.toThrow(
      'it was deleted before',
    );
    const about = { filename: 'x', mime_type: 'image/png' };
    scene.files.set('file_1', { ...about, size_bytes: 0, content: () => pieces(0) });
    await expect(scene.connector.post(scene.key, picture('file_1', 0), signal)).rejects.toThrow('it is empty');
    scene.files.set('file_2', { ...about, size_bytes: 300_000, content: () => pieces(2) });
    const failed = await scene.connector
      .post(scene.key, picture('file_2', 300_000), signal)
      .catch((error: unknown) => error);
    expect(failed).toMatchObject({ message: expect.stringMatching(/^A file of 300000 bytes ended after \d+$/) });
    expect(failed).not.toBeInstanceOf(PostRefusedError);
    expect(scene.posted()).toEqual([]);
  });
});
