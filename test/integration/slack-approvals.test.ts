import { describe, expect, it } from 'vitest';
import { messageOfRef } from '../../connectors/slack/conversation-id.ts';
import type { ApprovalCard } from '../../src/chat/outgoing.ts';
import type { ConversationKey, Mention } from '../../src/chat/place.ts';
import { approvalOut, waitingApproval } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import { buttonLabels, type MessagePlace, type SlackPerson } from '../support/slack/person.ts';
import { directChannel, messageAt, userGroup } from '../support/slack/workspace.ts';

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
    expect(await groups?.nameOf(group, scene.key.tenant)).toBe('oncall');
    expect(await groups?.nameOf('S_UNKNOWN', scene.key.tenant)).toBe('S_UNKNOWN');
    expect(await groups?.includes(group, ben, scene.key)).toBe(true);
    expect(await groups?.includes(group, ana, scene.key)).toBe(false);
    const asked = scene.slack.journal.filter((call) => call.method.startsWith('usergroups.'));
    expect(asked.map((call) => call.method)).toEqual(['usergroups.list', 'usergroups.users.list']);
  });

  it('let nobody in while Slack does not say who is in them, and those who are when it does', async () => {
    await using scene = await open();
    const ben = scene.slack.user('Ben').user;
    const group = userGroup(scene.slack.workspace, 'oncall', ben);
    scene.slack.faults.refuse('usergroups.users.list', 'internal_error');
    expect(await scene.connector.groups?.includes(group, ben, scene.key)).toBe(false);
    expect(await scene.connector.groups?.includes(group, ben, scene.key)).toBe(true);
    expect(await scene.connector.groups?.includes('S_UNKNOWN', ben, scene.key)).toBe(false);
  });
});

describe('details', () => {
  it('are shown in a modal, whole', async () => {
    await using scene = await open();
    const detail = `${'x'.repeat(5_000)}\necho "<!channel>"`;
    const card = await scene.shows({ detail: 'x'.repeat(2_000), why: 'The disk is full.' });
    scene.receiver.shows.details = { summary: 'Run: <something>', why: 'The disk is full.', detail };
    const ben = scene.slack.user('Ben');
    expect((await ben.click(card, 'Show details')).acked).toBe(true);
    await eventually(() => expect(ben.view()).toBeDefined());
    const shown = readableText(ben.view()?.blocks);
    expect(shown.join('\n')).toContain('Run: &lt;something&gt;');
    expect(shown.filter((text) => text.startsWith('x') || text.startsWith('echo')).join('')).toBe(detail);
    expect(scene.receiver.decisions).toEqual([]);
  });

  it.each([
    ['refused', { refused: 'Only those who may decide this see it.' }, 'Only those who may decide this see it.'],
    ['not known', null, 'The details cannot be shown just now. Please press the button again.'],
  ])('that are %s are said to that person alone', async (_what, details, words) => {
    await using scene = await open();
    const card = await scene.shows({ detail: '', private_detail: true });
    scene.receiver.shows.details = details;
    const eve = scene.slack.user('Eve');
    await eve.click(card, 'Show details');
    await eventually(() => expect(eve.sees(card).at(-1)).toMatchObject({ text: words, ephemeral_to: eve.user.id }));
    expect(eve.view()).toBeUndefined();
  });
});

describe('/approvals', () => {
  /** The ephemeral messages that this person has in the channel `ops`, outside of threads. */
  function lists(scene: Scene, person: SlackPerson) {
    return scene.slack.workspace.messages.filter((one) => one.ephemeral_to === person.user.id && !one.thread_ts);
  }

  it('lists what waits, and a decision made there counts where it was asked', async () => {
    await using scene = await open();
    const elsewhere = { ...scene.key, channel: 'C_OTHER', thread: '9.9' };
    scene.receiver.shows.waiting = { approvals: [waitingApproval('appr_1', { conversation: elsewhere })], more: 2 };
    const ben = scene.slack.user('Ben');
    expect((await ben.command('ops', '/approvals', '')).acked).toBe(true);
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    const [list] = lists(scene, ben);
    if (list === undefined) throw new Error('There is no list');
    expect(list.text).toBe('3 approvals wait for you.');
    expect(readableText(list.blocks).join('\n')).toContain('*Deckhand* asked');

    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    scene.receiver.shows.waiting = { approvals: [], more: 0 };
    await ben.click(list, 'Approve');
    await eventually(() => expect(lists(scene, ben)[0]?.text).toBe('Approved. Nothing waits for you.'));
    expect(lists(scene, ben)).toHaveLength(1);
    expect(scene.receiver.decisions).toMatchObject([{ decision: 'allow', conversation: elsewhere }]);
  });

  it('denies with a reason, and takes what is in no chat for no conversation', async () => {
    await using scene = await open();
    scene.receiver.shows.waiting = {
      approvals: [waitingApproval('appr_1', { conversation: null, link: null })],
      more: 0,
    };
    const ben = scene.slack.user('Ben');
    await ben.command('ops', '/approvals', '');
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    const [list] = lists(scene, ben);
    if (list === undefined) throw new Error('There is no list');
    await ben.click(list, 'Deny');
    await ben.submit({ reason: 'no' });
    expect(scene.receiver.decisions).toMatchObject([
      { decision: 'deny', reason: 'no', conversation: { channel: '-', thread: '-' } },
    ]);
  });

  it('says so when nothing waits, and when it cannot be known', async () => {
    await using scene = await open();
    const ben = scene.slack.user('Ben');
    scene.receiver.shows.waiting = { approvals: [], more: 0 };
    await ben.command('ops', '/approvals', '');
    scene.receiver.shows.waiting = null;
    await ben.command('ops', '/approvals', '');
    await eventually(() =>
      expect(
        lists(scene, ben)
          .map((one) => one.text)
          .sort(),
      ).toEqual(['Nothing waits for you.', 'What waits for you cannot be looked up just now. Please try again.']),
    );
  });
});

describe('reaching somebody', () => {
  it('opens their direct messages, those of a group’s members, or takes the channel', async () => {
    await using scene = await open();
    const [ben, cara] = [scene.slack.user('Ben').user, scene.slack.user('Cara').user];
    const group = userGroup(scene.slack.workspace, 'oncall', ben, cara);
    const directs = [ben, cara].map(({ id }) => directChannel(scene.slack.workspace, id).id);
    const reach = async (kind: Mention['kind'], id: string) =>
      (await scene.connector.reach?.({ kind, id }, null, signal))?.places.map(({ channel, thread }) => [
        channel,
        thread,
      ]);
    expect(await reach('person', ben.id)).toEqual([[directs[0], directs[0]]]);
    expect(await reach('group', group)).toEqual(directs.map((id) => [id, id]));
    expect(await reach('channel', 'C9')).toEqual([['C9', 'C9']]);
    await expect(reach('person', 'U_NOBODY')).rejects.toThrow('user_not_found');
  });

  it('leaves out members who cannot be written to', async () => {
    await using scene = await open();
    const [ben, cara] = [scene.slack.user('Ben').user, scene.slack.user('Cara').user];
    const group = userGroup(scene.slack.workspace, 'oncall', ben, cara);
    scene.slack.faults.refuse('conversations.open', 'cannot_dm_bot');
    const reached = await scene.connector.reach?.({ kind: 'group', id: group }, null, signal);
    expect(reached?.places.map(({ channel }) => channel)).toEqual([directChannel(scene.slack.workspace, cara.id).id]);
  });

  it('writes to twenty of a group, and counts the others', async () => {
    await using scene = await open();
    const users = Array.from({ length: 23 }, (_, n) => scene.slack.user(`Member ${n}`).user);
    const group = userGroup(scene.slack.workspace, 'everyone-here', ...users);
    const reached = await scene.connector.reach?.({ kind: 'group', id: group }, null, signal);
    expect(reached?.places).toHaveLength(20);
    expect(reached?.left_out).toBe(3);
  });

  it('knows the address of a card', async () => {
    await using scene = await open();
    const { channel, ts } = await scene.shows({});
    expect(await scene.connector.permalinkOf?.(scene.key, `${channel}:${ts}`, signal)).toContain(
      `/archives/${channel}/p`,
    );
  });
});
