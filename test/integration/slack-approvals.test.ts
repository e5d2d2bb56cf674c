import { describe, expect, it } from 'vitest';
import { messageOfRef } from '../../connectors/slack/conversation-id.ts';
import type { ApprovalCard, ConversationKey } from '../../src/chat/connector.ts';
import { approvalOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import { buttonLabels, type MessagePlace } from '../support/slack/person.ts';
import { messageAt, userGroup } from '../support/slack/workspace.ts';

const signal = AbortSignal.timeout(60_000);

interface Scene extends AsyncDisposable {
  connector: SlackHarness['connector'];
  slack: SlackHarness['slack'];
  receiver: RecordingReceiver;
  key: ConversationKey;
  /** Post a card in the thread of `key`. */
  shows(over: Partial<ApprovalCard>): Promise<MessagePlace>;
}

async function open(): Promise<Scene> {
  const receiver = createRecordingReceiver();
  const harness = await startSlackHarness(receiver);
  const { connector, slack } = harness;
  receiver.connector = connector;
  const { channel, ts } = slack.user('Ana').mention('ops', 'clean up');
  const key = { connector: 'slack', tenant: 'T0DECKHAND', channel, thread: ts };
  await slack.outbox.idle();
  return {
    connector,
    slack,
    receiver,
    key,
    async shows(over) {
      const ref = await connector.post(key, approvalOut('dlv_card', over), signal);
      return { ...messageOfRef(ref), thread_ts: ts };
    },
    [Symbol.asyncDispose]: () => harness[Symbol.asyncDispose](),
  };
}

describe('approving for the session', () => {
  it('is a button of its own, where the card offers it', async () => {
    await using scene = await open();
    const card = await scene.shows({ for_session: 'tool' });
    const shown = messageAt(scene.slack.workspace, card.channel, card.ts);
    expect(shown === undefined ? [] : buttonLabels(shown)).toEqual(['Approve', 'Approve for this session', 'Deny']);
    expect((await scene.slack.user('Ben').click(card, 'Approve for this session')).acked).toBe(true);
    await eventually(() => expect(scene.receiver.decisions).toHaveLength(1));
    expect(scene.receiver.decisions[0]).toMatchObject({
      decision: 'allow',
      for_session: true,
      conversation: scene.key,
    });
  });
});

describe('user groups', () => {
  it('are asked of Slack once a minute, and named by their handle', async () => {
    await using scene = await open();
    const [ana, ben] = [scene.slack.user('Ana').user, scene.slack.user('Ben').user];
    const group = userGroup(scene.slack.workspace, 'oncall', ben);
    const { groups } = scene.connector;
    expect(await groups?.nameOf(group)).toBe('oncall');
    expect(await groups?.nameOf('S_UNKNOWN')).toBe('S_UNKNOWN');
    expect(await groups?.includes(group, ben)).toBe(true);
    expect(await groups?.includes(group, ana)).toBe(false);
    const asked = scene.slack.journal.filter((call) => call.method.startsWith('usergroups.'));
    expect(asked.map((call) => call.method)).toEqual(['usergroups.list', 'usergroups.users.list']);
  });

  it('let nobody in while Slack does not say who is in them, and those who are when it does', async () => {
    await using scene = await open();
    const ben = scene.slack.user('Ben').user;
    const group = userGroup(scene.slack.workspace, 'oncall', ben);
    scene.slack.faults.refuse('usergroups.users.list', 'internal_error');
    expect(await scene.connector.groups?.includes(group, ben)).toBe(false);
    expect(await scene.connector.groups?.includes(group, ben)).toBe(true);
    expect(await scene.connector.groups?.includes('S_UNKNOWN', ben)).toBe(false);
  });
});
