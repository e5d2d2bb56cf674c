import { describe, expect, it } from 'vitest';
import { messageOfRef } from '../../connectors/slack/conversation-id.ts';
import { createSlackConnector } from '../../connectors/slack/index.ts';
import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { approvalOut, textOut } from '../support/cards.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, slackOptions, startSlackHarness } from '../support/slack/harness.ts';
import { readable } from '../support/slack/transcript.ts';
import { messageAt, type SlackMessage } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';

const signal = AbortSignal.timeout(60_000);

interface Scene extends AsyncDisposable {
  harness: SlackHarness;
  slack: SlackHarness['slack'];
  connector: SlackHarness['connector'];
  key: ConversationKey;
}

/** Ana has begun a conversation, in #ops or directly. */
async function begun(place: 'channel' | 'dm' = 'channel'): Promise<Scene> {
  const harness = await startSlackHarness(createRecordingReceiver());
  const { slack, connector } = harness;
  const ana = slack.user('Ana');
  const root = place === 'dm' ? ana.dm('hello') : ana.mention('ops', 'hello');
  await slack.outbox.idle();
  const key = { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts };
  return { harness, slack, connector, key, [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose]() };
}

function own({ slack, key }: Scene): SlackMessage[] {
  return slack.workspace.messages.filter(
    (m) => m.channel === key.channel && m.bot_id !== undefined && m.ephemeral_to === undefined,
  );
}

function calls({ slack }: Scene): string[] {
  return slack.journal
    .filter((call) => call.method.startsWith('chat.'))
    .map((call) => `${call.method} ${call.outcome}`);
}

async function refusal(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => null,
    (reason: unknown) => reason,
  );
}

describe('a post to Slack', () => {
  it('goes into the thread, with its delivery id in the metadata and nothing unfurled', async () => {
    await using scene = await begun();
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'see https://a.test'), signal);
    const message = messageAt(scene.slack.workspace, scene.key.channel, messageOfRef(ref).ts);
    expect(message).toMatchObject({
      thread_ts: scene.key.thread,
      metadata: { event_type: 'deckhand_delivery', event_payload: { delivery_id: 'dlv_1' } },
    });
    expect(scene.slack.journal.at(-1)?.args).toMatchObject({ unfurl_links: 'false', unfurl_media: 'false' });
  });

  it('goes to the top level where the conversation has no thread, and is found there', async () => {
    await using scene = await begun();
    const key = { ...scene.key, thread: scene.key.channel };
    const ref = await scene.connector.post(key, textOut('dlv_top', 'good morning'), signal);
    expect(messageAt(scene.slack.workspace, key.channel, messageOfRef(ref).ts)?.thread_ts).toBeUndefined();
    expect(await scene.connector.find(key, 'dlv_top', signal)).toBe(ref);
  });

  it.each([
    ['channel_not_found', (scene: Scene) => scene.slack.workspace.channels.delete(scene.key.channel)],
    [
      'not_in_channel',
      (scene: Scene) =>
        scene.slack.workspace.channels.get(scene.key.channel)?.members.delete(scene.slack.workspace.bot_user_id),
    ],
    [
      'is_archived',
      (scene: Scene) =>
        Object.assign(scene.slack.workspace.channels.get(scene.key.channel) ?? {}, { is_archived: true }),
    ],
    ['msg_blocks_too_long', (scene: Scene) => scene.slack.faults.refuse('chat.postMessage', 'msg_blocks_too_long')],
  ])('is refused for good with %s', async (reason, arrange) => {
    await using scene = await begun();
    arrange(scene);
    const error = await refusal(scene.connector.post(scene.key, textOut('dlv_1', 'hi'), signal));
    expect(error).toBeInstanceOf(PostRefusedError);
    expect(error).toMatchObject({ reason });
  });

  it.each([
    ['a 500', (scene: Scene) => scene.slack.faults.fail('chat.postMessage', 500)],
    ['Slack’s own trouble', (scene: Scene) => scene.slack.faults.refuse('chat.postMessage', 'internal_error')],
    ['a token an operator must mend', (scene: Scene) => scene.slack.faults.refuse('chat.postMessage', 'token_revoked')],
  ])('leaves the outcome open after %s', async (_what, arrange) => {
    await using scene = await begun();
    arrange(scene);
    const error = await refusal(scene.connector.post(scene.key, textOut('dlv_1', 'hi'), signal));
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(PostRefusedError);
    expect(error).not.toBeInstanceOf(RateLimitedError);
    expect(calls(scene)).toHaveLength(1);
  });

  it('takes a rate limit that came without a header for one', async () => {
    await using scene = await begun();
    scene.slack.faults.refuse('chat.postMessage', 'ratelimited');
    const error = await refusal(scene.connector.post(scene.key, textOut('dlv_1', 'hi'), signal));
    expect(error).toBeInstanceOf(RateLimitedError);
  });

  it('asks Slack nothing once it was called off', async () => {
    await using scene = await begun();
    await expect(scene.connector.post(scene.key, textOut('dlv_1', 'hi'), AbortSignal.abort())).rejects.toThrow(
      /abort/i,
    );
    expect(calls(scene)).toEqual([]);
  });

  it('edits the longest text of any alphabet without Slack refusing it', async () => {
    await using scene = await begun();
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'short'), signal);
    for (const letter of ['x', '&', '好', '🛠']) {
      const text = letter.repeat(scene.connector.limits.text / letter.length);
      await scene.connector.edit(scene.key, ref, textOut('dlv_1', text), signal);
      expect(own(scene).map(readable)).toEqual([text]);
    }
  });

  it('edits a card that somebody clicked while the agent went on', async () => {
    await using scene = await begun();
    const ref = await scene.connector.post(scene.key, approvalOut('dlv_card'), signal);
    const state = {
      status: 'allowed',
      by: { id: 'U1', name: 'Ben' },
      at: '2026-11-20T10:00:00Z',
      reason: null,
      via: 'slack',
    } as const;
    await scene.connector.edit(scene.key, ref, approvalOut('dlv_card', { state }), signal);
    await scene.connector.edit(scene.key, ref, approvalOut('dlv_card', { state }), signal);
    expect(own(scene).map(readable)).toEqual([expect.stringContaining('Approved by *Ben*')]);
    expect(await scene.connector.find(scene.key, 'dlv_card', signal)).toBe(ref);
  });
});

describe('looking a delivery up', () => {
  function fill({ slack, key }: Scene, count: number): void {
    for (let n = 0; n < count; n += 1) {
      slack.workspace.messages.push({
        ts: slack.workspace.nextTs(),
        channel: key.channel,
        user: 'U1',
        text: `${n}`,
        blocks: [],
        thread_ts: key.thread,
      });
    }
  }

  it('reads page after page', async () => {
    await using scene = await begun();
    fill(scene, 450);
    const ref = await scene.connector.post(scene.key, textOut('dlv_far', 'at the end'), signal);
    expect(await scene.connector.find(scene.key, 'dlv_far', signal)).toBe(ref);
    expect(scene.slack.journal.filter((c) => c.method === 'conversations.replies')).toHaveLength(3);
  });

  it('reads what came since it was claimed, however much stands before', async () => {
    await using scene = await begun();
    fill(scene, 4_100);
    await scene.slack.clock.advance(3_600_000);
    const claimed_at = new Date(scene.slack.clock.now());
    const { connector, key } = scene;
    expect(await connector.find(key, 'dlv_lost', signal, claimed_at)).toBeNull();
    const ref = await connector.post(key, textOut('dlv_lost', 'at the end'), signal);
    expect(await connector.find(key, 'dlv_lost', signal, claimed_at)).toBe(ref);
    // By a clock that is behind or ahead of Slack's.
    for (const off_ms of [-300_000, 300_000]) {
      expect(await connector.find(key, 'dlv_lost', signal, new Date(claimed_at.getTime() + off_ms))).toBe(ref);
    }
    expect(scene.slack.journal.filter((c) => c.method === 'conversations.replies')).toHaveLength(4);
  });

  it('reads all of what came since, however much it is', async () => {
    await using scene = await begun();
    const claimed_at = new Date(scene.slack.clock.now());
    fill(scene, 4_100);
    const { connector, key } = scene;
    expect(await connector.find(key, 'dlv_late', signal, claimed_at)).toBeNull();
    const ref = await connector.post(key, textOut('dlv_late', 'said after a long wait'), signal);
    expect(await connector.find(key, 'dlv_late', signal, claimed_at)).toBe(ref);
  });

  it('finds nothing in a thread that is gone, and passes a rate limit on', async () => {
    await using scene = await begun();
    expect(await scene.connector.find({ ...scene.key, thread: '1.000001' }, 'dlv_1', signal)).toBeNull();
    scene.slack.faults.rateLimit('conversations.replies', 30);
    expect(await refusal(scene.connector.find(scene.key, 'dlv_1', signal))).toMatchObject({ retry_after_ms: 30_000 });
  });

  it('takes nobody else’s message for its own', async () => {
    await using scene = await begun();
    scene.slack.workspace.messages.push({
      ts: scene.slack.workspace.nextTs(),
      channel: scene.key.channel,
      user: 'U1',
      text: 'mine',
      blocks: [],
      thread_ts: scene.key.thread,
      metadata: { event_type: 'deckhand_delivery', event_payload: { delivery_id: 'dlv_1' } },
    });
    expect(await scene.connector.find(scene.key, 'dlv_1', signal)).toBeNull();
  });
});

describe('a live message in a channel', () => {
  it('is posted and edited, because a stream would show to one reader only', async () => {
    await using scene = await begun();
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'One', true), signal);
    await scene.connector.edit(scene.key, ref, textOut('dlv_1', 'One two', true), signal);
    await scene.connector.edit(scene.key, ref, textOut('dlv_1', 'One two three', false), signal);
    expect(calls(scene)).toEqual(['chat.postMessage ok', 'chat.update ok', 'chat.update ok']);
  });

  it('goes on after a rate limit in the middle', async () => {
    await using scene = await begun();
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'One', true), signal);
    scene.slack.faults.rateLimit('chat.update', 2);
    expect(
      await refusal(scene.connector.edit(scene.key, ref, textOut('dlv_1', 'One two', true), signal)),
    ).toMatchObject({ retry_after_ms: 2_000 });
    await scene.connector.edit(scene.key, ref, textOut('dlv_1', 'One two three', false), signal);
    expect(own(scene).map(readable)).toEqual(['One two three']);
  });
});

describe('a live message to one person', () => {
  /** What the person reads below the line that says who speaks. */
  function body(scene: Scene): string[] {
    return own(scene).map((message) =>
      readable({ ...message, blocks: message.blocks.filter((b) => b.type === 'markdown') }),
    );
  }

  async function streamed(): Promise<Scene & { ref: string }> {
    const scene = await begun('dm');
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'One two', true), signal);
    expect(calls(scene)).toEqual(['chat.startStream ok']);
    return { ...scene, ref };
  }

  it('streams, and carries its delivery id all the way', async () => {
    await using scene = await streamed();
    const { connector, key, ref } = scene;
    expect(await connector.find(key, 'dlv_1', signal)).toBe(ref);
    await connector.edit(key, ref, textOut('dlv_1', 'One two three fo', true), signal);
    await connector.edit(key, ref, textOut('dlv_1', 'One two three fou', true), signal);
    await connector.edit(key, ref, textOut('dlv_1', 'One two three four.', false), signal);
    expect(calls(scene)).toEqual(['chat.startStream ok', 'chat.appendStream ok', 'chat.stopStream ok']);
    expect(body(scene)).toEqual(['One two three four.']);
    expect(own(scene)[0]).toMatchObject({
      stream: { state: 'completed' },
      metadata: { event_payload: { delivery_id: 'dlv_1' } },
    });
    expect(await connector.find(key, 'dlv_1', signal)).toBe(ref);
  });

  it('is ended before Slack ends it, and goes on as edits', async () => {
    await using scene = await streamed();
    const { connector, key, ref } = scene;
    await scene.slack.clock.advance(241_000);
    await connector.edit(key, ref, textOut('dlv_1', 'One two after a long silence', true), signal);
    await connector.edit(key, ref, textOut('dlv_1', 'One two after a long silence, more', true), signal);
    await connector.edit(key, ref, textOut('dlv_1', 'One two after a long silence, more. Done.', false), signal);
    expect(calls(scene)).toEqual([
      'chat.startStream ok',
      'chat.stopStream ok',
      'chat.update ok',
      'chat.update ok',
      'chat.update ok',
    ]);
    expect(body(scene)).toEqual(['One two after a long silence, more. Done.']);
    expect(await connector.find(key, 'dlv_1', signal)).toBe(ref);
  });

  it('is put right when Slack ended it first', async () => {
    await using scene = await streamed();
    const { connector, key, ref } = scene;
    await scene.slack.clock.advance(301_000);
    await connector.edit(key, ref, textOut('dlv_1', 'One two three', false), signal);
    expect(calls(scene)).toEqual([
      'chat.startStream ok',
      'chat.stopStream message_not_in_streaming_state',
      'chat.update ok',
    ]);
    expect(body(scene)).toEqual(['One two three']);
    expect(await connector.find(key, 'dlv_1', signal)).toBe(ref);
  });

  it.each([
    ['chat.appendStream', true],
    ['chat.stopStream', false],
  ])('says nothing twice when the answer to %s was lost', async (method, live) => {
    await using scene = await streamed();
    const { connector, key, ref } = scene;
    scene.slack.faults.loseResponse(method);
    const next = textOut('dlv_1', 'One two three four', live);
    expect(await refusal(connector.edit(key, ref, next, signal))).toBeInstanceOf(Error);
    await connector.edit(key, ref, next, signal);
    await connector.edit(key, ref, textOut('dlv_1', 'One two three four five', false), signal);
    expect(body(scene)).toEqual(['One two three four five']);
    expect(await connector.find(key, 'dlv_1', signal)).toBe(ref);
  });

  it('waits out a rate limit without losing a word', async () => {
    await using scene = await streamed();
    const { connector, key, ref } = scene;
    scene.slack.faults.rateLimit(['chat.appendStream', 'chat.stopStream'], 3, 2);
    const more = textOut('dlv_1', 'One two three four', true);
    expect(await refusal(connector.edit(key, ref, more, signal))).toMatchObject({ retry_after_ms: 3_000 });
    const last = textOut('dlv_1', 'One two three four.', false);
    expect(await refusal(connector.edit(key, ref, last, signal))).toMatchObject({ retry_after_ms: 3_000 });
    await connector.edit(key, ref, last, signal);
    expect(calls(scene).filter((call) => call.includes('update'))).toEqual([]);
    expect(body(scene)).toEqual(['One two three four.']);
  });

  it.each(['unknown_method', 'missing_recipient_user_id', 'channel_type_not_supported', 'invalid_chunks'])(
    'is posted and edited where Slack answers %s',
    async (error) => {
      await using scene = await begun('dm');
      const { connector, key } = scene;
      scene.slack.faults.refuse('chat.startStream', error);
      const ref = await connector.post(key, textOut('dlv_1', 'One two', true), signal);
      await connector.edit(key, ref, textOut('dlv_1', 'One two three', false), signal);
      expect(calls(scene)).toEqual([`chat.startStream ${error}`, 'chat.postMessage ok', 'chat.update ok']);
      expect(own(scene).map(readable)).toEqual(['One two three']);
    },
  );

  it('goes on in another process', async () => {
    await using scene = await streamed();
    const second = createSlackConnector(slackOptions(scene.slack));
    await second.start(createRecordingReceiver());
    const ref = await second.find(scene.key, 'dlv_1', signal);
    if (ref === null) throw new Error('The stream must be found');
    await second.edit(scene.key, ref, textOut('dlv_1', 'One two three', true), signal);
    await second.edit(scene.key, ref, textOut('dlv_1', 'One two three four', false), signal);
    await second.stop(STOP_MS);
    expect(body(scene)).toEqual(['One two three four']);
    expect(await scene.connector.find(scene.key, 'dlv_1', signal)).toBe(ref);
  });

  it('is posted when nobody has written since the start, for a stream needs its reader', async () => {
    await using scene = await begun('dm');
    const second = createSlackConnector(slackOptions(scene.slack));
    await second.start(createRecordingReceiver());
    await second.post(scene.key, textOut('dlv_1', 'One', true), signal);
    await second.stop(STOP_MS);
    expect(calls(scene)).toEqual(['chat.postMessage ok']);
  });
});
