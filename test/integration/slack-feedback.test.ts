import { describe, expect, it } from 'vitest';
import type { ConversationKey } from '../../src/chat/place.ts';
import { answerOut, textOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { withoutIds } from '../support/slack/block-limits.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';

const signal = AbortSignal.timeout(60_000);

interface Scene extends AsyncDisposable {
  slack: SlackHarness['slack'];
  connector: SlackHarness['connector'];
  receiver: RecordingReceiver;
  key: ConversationKey;
  /** The one message of the bot that everybody sees. */
  answer(): SlackMessage;
  whispers(): string[];
}

async function begun(place: 'channel' | 'dm' = 'channel'): Promise<Scene> {
  const receiver = createRecordingReceiver();
  const harness = await startSlackHarness(receiver);
  receiver.connector = harness.connector;
  const { slack, connector } = harness;
  const ana = slack.user('Ana');
  const root = place === 'dm' ? ana.dm('hello') : ana.mention('ops', 'hello');
  await slack.outbox.idle();
  return {
    slack,
    connector,
    receiver,
    key: { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts },
    answer() {
      const found = slack.workspace.messages.filter((m) => m.bot_id !== undefined && m.ephemeral_to === undefined);
      if (found[0] === undefined || found.length > 1) throw new Error(`There are ${found.length} messages`);
      return found[0];
    },
    whispers: () => slack.workspace.messages.flatMap((m) => (m.ephemeral_to === undefined ? [] : [m.text])),
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('what people think of an answer in Slack', () => {
  it('is asked below it, with the word that an AI wrote it', async () => {
    await using scene = await begun();
    await scene.connector.post(scene.key, answerOut('dlv_1', 'There are two files.'), signal);
    const blocks = withoutIds(scene.answer().blocks);
    const shown = JSON.stringify(blocks, null, 2).replaceAll(scene.key.thread, '1700000000.000001');
    await expect(`${shown}\n`).toMatchFileSnapshot('../snapshots/slack/answer-with-feedback.json');
  });

  it('is not asked before it is whole, nor of anything else', async () => {
    await using scene = await begun();
    await scene.connector.post(scene.key, textOut('dlv_1', 'I will look.'), signal);
    expect(scene.answer().blocks.map((block) => block.type)).toEqual(['markdown']);
  });

  it.each(['channel', 'dm'] as const)('is asked at the end of what was shown live in a %s, and once', async (place) => {
    await using scene = await begun(place);
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'There are ', true), signal);
    await scene.connector.edit(scene.key, ref, answerOut('dlv_1', 'There are two files.'), signal);
    await scene.connector.edit(scene.key, ref, answerOut('dlv_1', 'There are two files.'), signal);
    expect(scene.answer().blocks.filter((block) => block.type === 'context_actions')).toHaveLength(1);
    const calls = scene.slack.journal.filter((call) => call.method.startsWith('chat.'));
    expect(calls.filter((call) => call.outcome !== 'ok')).toEqual([]);
  });

  it('reaches the receiver with who, where and which answer, and they are told', async () => {
    await using scene = await begun();
    scene.receiver.answer({ effect: 'accepted', text: 'Thank you.' });
    await scene.connector.post(scene.key, answerOut('dlv_1', 'There.'), signal);
    const ack = await scene.slack.user('Ben').rate(scene.answer(), 'bad');
    expect(ack.acked).toBe(true);
    expect(scene.receiver.feedbacks).toEqual([
      {
        event_id: expect.stringContaining('feedback:'),
        conversation: scene.key,
        person: { id: scene.slack.user('Ben').user.id, name: 'Ben' },
        answer: { session_id: 'sesn_1', event_id: 'sevt_answer' },
        rating: 'bad',
      },
    ]);
    await eventually(() => expect(scene.whispers()).toEqual(['Thank you.']));
  });

  it('has an id of its own each time it is given', async () => {
    await using scene = await begun();
    await scene.connector.post(scene.key, answerOut('dlv_1', 'There.'), signal);
    await scene.slack.user('Ben').rate(scene.answer(), 'bad');
    await scene.slack.user('Ben').rate(scene.answer(), 'good');
    const ids = scene.receiver.feedbacks.map((feedback) => feedback.event_id);
    expect(new Set(ids).size).toBe(2);
  });

  it('is not acknowledged when it could not be kept', async () => {
    await using scene = await begun();
    await scene.connector.post(scene.key, answerOut('dlv_1', 'There.'), signal);
    scene.receiver.failNext(1);
    expect((await scene.slack.user('Ben').rate(scene.answer(), 'good')).acked).toBe(false);
  });

  it('is not asked where Slack does not know such buttons, but the answer is said, and that an AI wrote it', async () => {
    await using scene = await begun();
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'There ', true), signal);
    scene.slack.faults.refuse('chat.update', 'invalid_blocks');
    await scene.connector.edit(scene.key, ref, answerOut('dlv_1', 'There are two.'), signal);
    expect(scene.answer().blocks).toMatchObject([
      { type: 'markdown', text: 'There are two.' },
      { type: 'context', elements: [{ text: 'Written by AI (Deckhand): check what matters.' }] },
    ]);
  });

  it('is asked all the same where a stream takes no buttons at its end', async () => {
    await using scene = await begun('dm');
    const ref = await scene.connector.post(scene.key, textOut('dlv_1', 'There ', true), signal);
    scene.slack.faults.refuse('chat.stopStream', 'invalid_blocks');
    await scene.connector.edit(scene.key, ref, answerOut('dlv_1', 'There are two.'), signal);
    expect(scene.answer().blocks.map((block) => block.type)).toEqual(['markdown', 'context', 'context_actions']);
    expect(scene.answer().stream?.state).toBe('completed');
  });
});
