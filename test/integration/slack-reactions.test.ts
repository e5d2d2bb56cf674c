import { describe, expect, it } from 'vitest';
import { PostRefusedError, RateLimitedError } from '../../src/chat/connector.ts';
import { createRecordingReceiver } from '../support/recording-receiver.ts';
import { startSlackHarness } from '../support/slack/harness.ts';
import { messageAt } from '../support/slack/workspace.ts';

const signal = AbortSignal.timeout(60_000);

describe('the mark on a message in Slack', () => {
  it('is a reaction, which is put on and taken off however often', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack, connector } = harness;
    const root = slack.user('Ana').mention('ops', 'deploy');
    const reply = slack.user('Ben').reply(root, 'faster');
    const key = { connector: 'slack', tenant: 'T0DECKHAND', channel: root.channel, thread: root.ts };
    const reactions = () => [...(messageAt(slack.workspace, reply.channel, reply.ts)?.reactions?.keys() ?? [])];
    for (const [on, shown] of [
      [true, ['eyes']],
      [true, ['eyes']],
      [false, []],
      [false, []],
    ] as const) {
      await connector.react?.(key, reply.ts, on, signal);
      expect(reactions()).toEqual(shown);
    }
    expect(slack.journal.filter(({ method }) => method.startsWith('reactions.')).map((call) => call.outcome)).toEqual([
      'ok',
      'already_reacted',
      'ok',
      'no_reaction',
    ]);
    // Somebody has deleted it.
    await connector.react?.(key, '1.000001', true, signal);
  });

  it('says what Slack says: wait, never, or not now', async () => {
    await using harness = await startSlackHarness(createRecordingReceiver());
    const { slack, connector } = harness;
    const root = slack.user('Ana').mention('ops', 'deploy');
    const key = { connector: 'slack', tenant: 'T0DECKHAND', channel: root.channel, thread: root.ts };
    const attempt = () => connector.react?.(key, root.ts, true, signal).catch((error: unknown) => error);
    slack.faults.rateLimit('reactions.add', 7);
    expect(await attempt()).toEqual(expect.objectContaining({ retry_after_ms: 7_000 }));
    for (const reason of ['missing_scope', 'too_many_reactions', 'not_reactable']) {
      slack.faults.refuse('reactions.add', reason);
      expect(await attempt()).toEqual(expect.objectContaining({ reason, name: PostRefusedError.name }));
    }
    slack.faults.fail('reactions.add', 503);
    const error = await attempt();
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(RateLimitedError);
    expect(error).not.toBeInstanceOf(PostRefusedError);
  });
});
