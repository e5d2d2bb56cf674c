import { describe, expect, it } from 'vitest';
import { messageOfRef } from '../../connectors/slack/conversation-id.ts';
import type { WaitingApprovals } from '../../src/chat/inbound.ts';
import type { ApprovalCard } from '../../src/chat/outgoing.ts';
import type { ConversationKey, Mention } from '../../src/chat/place.ts';
import { approvalOut, waitingApproval } from '../support/cards.ts';
import { deferred } from '../support/deferred.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { buttonLabel, buttonsOf, readableText } from '../support/slack/block-limits.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import { buttonLabels, type MessagePlace, type SlackPerson } from '../support/slack/person.ts';
import { directChannel, messageAt, userGroup } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';

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
    expect(await scene.connector.groups?.includes(group, ben, scene.key)).toBe(null);
    expect(await scene.connector.groups?.includes(group, ben, scene.key)).toBe(true);
    const other = userGroup(scene.slack.workspace, 'hidden', ben);
    scene.slack.faults.refuse('usergroups.users.list', 'missing_scope');
    expect(await scene.connector.groups?.includes(other, ben, scene.key)).toBe(false);
    expect(await scene.connector.groups?.includes('S_UNKNOWN', ben, scene.key)).toBe(false);
  });
});

it.each([
  ['as it is', 0],
  ['plainly, when that is refused', 1],
])('what became of a press is said by its own way where Slack takes no words in the channel: %s', async (_how, bad) => {
  await using scene = await open();
  const card = await scene.shows({});
  scene.receiver.answer({ effect: 'refused', text: 'Only **Ada** may approve this.' });
  scene.slack.faults.refuse('chat.postEphemeral', 'user_not_in_channel');
  for (let n = 0; n < bad; n++) scene.slack.faults.fail('response_url', 400);
  const ben = scene.slack.user('Ben');
  await ben.click(card, 'Approve');
  await eventually(() => expect(ben.sees(card).at(-1)?.text).toContain('may approve this.'));
});

describe('reviewing a call', () => {
  const detail = `${'x'.repeat(20_000)}\necho "<!channel>"`;
  const whole = { summary: 'Run: <something>', why: 'The disk is full.', detail, closed: null };

  /** Ben opens the modal. */
  async function reviews(scene: Scene, card: MessagePlace): Promise<SlackPerson> {
    const ben = scene.slack.user('Ben');
    expect((await ben.click(card, 'Review')).acked).toBe(true);
    await eventually(() => expect(textOf(ben)).not.toContain('One moment'));
    return ben;
  }

  const textOf = (person: SlackPerson) => readableText(person.view()?.blocks).join('\n');
  const codeOf = (person: SlackPerson) =>
    (person.view()?.blocks ?? [])
      .filter(({ type }) => type === 'rich_text')
      .flatMap(readableText)
      .join('');
  const labelsOf = (person: SlackPerson) => buttonsOf(person.view()?.blocks ?? []).map(buttonLabel);

  async function turns(person: SlackPerson, button: string, page: number): Promise<void> {
    expect((await person.pressesInModal(button)).acked).toBe(true);
    await eventually(() => expect(textOf(person)).toContain(`Page ${page} of`));
  }

  it('goes through every page of it, there and back, and approves on the last', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: 'x'.repeat(2_000), for_session: 'tool' });
    const shown = messageAt(scene.slack.workspace, card.channel, card.ts);
    expect(shown === undefined ? [] : buttonLabels(shown)).toEqual(['Review', 'Deny']);
    scene.receiver.shows.details = { ...whole, for_session: 'tool' };
    const ben = await reviews(scene, card);
    expect(textOf(ben)).toContain('Run: &lt;something&gt;');
    const first = codeOf(ben);
    expect(labelsOf(ben)).toEqual(['Next', 'Deny']);
    await turns(ben, 'Next', 2);
    expect(first + codeOf(ben)).toBe(detail);
    await turns(ben, 'Previous', 1);
    expect(codeOf(ben)).toBe(first);
    await turns(ben, 'Next', 2);
    expect(labelsOf(ben)).toEqual(['Previous', 'Approve', 'Approve for this session', 'Deny']);
    expect(scene.receiver.decisions).toEqual([]);
    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    expect((await ben.pressesInModal('Approve for this session')).acked).toBe(true);
    await eventually(() => expect(textOf(ben)).toContain('Approved.'));
    expect(labelsOf(ben)).toEqual([]);
    expect(scene.receiver.decisions).toMatchObject([{ decision: 'allow', for_session: true, conversation: scene.key }]);
  });

  it('leaves no page out when Next is pressed twice at once', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: 'x'.repeat(2_000) });
    scene.receiver.shows.details = { ...whole, detail: 'x'.repeat(40_000) };
    const ben = await reviews(scene, card);
    await Promise.all([ben.pressesInModal('Next'), ben.pressesInModal('Next')]);
    const updates = () => scene.slack.journal.filter(({ method }) => method === 'views.update');
    await eventually(() => expect(updates()).toHaveLength(3));
    await eventually(() => expect(textOf(ben)).toContain('Page 2 of 4'));
    await scene.connector.stop(STOP_MS);
    expect(textOf(ben)).toContain('Page 2 of 4');
  });

  it('that is decided meanwhile says so on the next page, and has nothing to press but pages', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: 'x'.repeat(2_000) });
    scene.receiver.shows.details = whole;
    const ben = await reviews(scene, card);
    scene.receiver.shows.details = { ...whole, closed: 'Ana already denied this.' };
    await turns(ben, 'Next', 2);
    expect(textOf(ben)).toContain('Ana already denied this.');
    expect(labelsOf(ben)).toEqual(['Previous']);
  });

  it('that was decided after its last page was shown says in the modal what became of the press', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: '', private_detail: true });
    scene.receiver.shows.details = { ...whole, detail: 'rm -rf build' };
    const ben = await reviews(scene, card);
    scene.receiver.answer({ effect: 'refused', text: 'Ana already denied this.' });
    await ben.pressesInModal('Approve');
    await eventually(() => expect(codeOf(ben)).toBe(''));
    expect(textOf(ben)).toContain('Ana already denied this.');
  });

  it('keeps what one gateway said of a press of which another, given it too, knows nothing', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: '', private_detail: true });
    scene.receiver.shows.details = { ...whole, detail: 'rm -rf build' };
    const ben = await reviews(scene, card);
    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    const { receiver } = scene;
    const keep = receiver.decision.bind(receiver);
    let given = 0;
    receiver.decision = async (decision) => {
      given += 1;
      if (given === 1) return keep(decision);
      await eventually(() => expect(textOf(ben)).toContain('Approved.'));
      throw new Error('The database is away');
    };
    await Promise.allSettled([ben.pressesInModal('Approve'), ben.pressesInModal('Approve')]);
    await scene.connector.stop(STOP_MS);
    expect(given).toBe(2);
    expect(textOf(ben)).toContain('Approved.');
    expect(ben.sees(card).map(({ text }) => text)).not.toContainEqual(expect.stringContaining('could not be recorded'));
  });

  it('denies from any page, with a reason, and closes', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: 'x'.repeat(2_000) });
    scene.receiver.shows.details = whole;
    const ben = await reviews(scene, card);
    expect((await ben.pressesInModal('Deny')).acked).toBe(true);
    await ben.submit({ reason: 'no' });
    expect(ben.view()).toBeUndefined();
    expect(scene.receiver.decisions).toMatchObject([{ decision: 'deny', reason: 'no', conversation: scene.key }]);
  });

  it('says to the person alone when a modal cannot be changed, or a page not be read', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: 'x'.repeat(2_000) });
    scene.receiver.shows.details = whole;
    const ben = await reviews(scene, card);
    scene.receiver.shows.details = null;
    await ben.pressesInModal('Next');
    await eventually(() => expect(ben.sees(card).at(-1)?.text).toContain('cannot be shown just now'));
    scene.receiver.shows.details = whole;
    await turns(ben, 'Next', 2);
    scene.slack.faults.refuse('views.update', 'not_found');
    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    await ben.pressesInModal('Approve');
    await eventually(() => expect(ben.sees(card).at(-1)?.text).toBe('Approved.'));
  });

  it.each(['Review', 'Deny'])('opens at once (%s), however long it takes to know what it shows', async (button) => {
    await using scene = await open();
    const card = await scene.shows({ detail: '', private_detail: true });
    const known = deferred<void>();
    scene.receiver.details = async () => {
      await known.promise;
      return { ...whole, detail: 'rm -rf build' };
    };
    const ben = scene.slack.user('Ben');
    expect((await ben.click(card, button)).acked).toBe(true);
    expect(textOf(ben)).toContain('One moment…');
    expect(ben.view()).not.toHaveProperty('submit');
    // The trigger of the press is over.
    await scene.slack.clock.advance(10_000);
    known.resolve();
    if (button === 'Review') await eventually(() => expect(textOf(ben)).toContain('rm -rf build'));
    else expect((await ben.submit({ reason: 'no' })).acked).toBe(true);
  });

  it('says to the person alone when what they wait for cannot be drawn, and nothing when they have closed it', async () => {
    await using scene = await open();
    const card = await scene.shows({ detail: '', private_detail: true });
    scene.receiver.shows.details = whole;
    const ben = scene.slack.user('Ben');
    scene.slack.faults.fail('views.update', 503);
    await ben.click(card, 'Review');
    await eventually(() => expect(ben.sees(card).at(-1)?.text).toContain('cannot be shown just now'));
    scene.slack.faults.refuse('views.update', 'not_found');
    await ben.click(card, 'Review');
    const updates = () => scene.slack.journal.filter(({ method }) => method === 'views.update');
    await eventually(() => expect(updates()).toHaveLength(2));
    await scene.connector.stop(STOP_MS);
    expect(ben.sees(card).filter((one) => one.ephemeral_to === ben.user.id)).toHaveLength(1);
  });

  it.each([
    ['refused', { refused: 'Only those who may decide this see it.' }, 'Only those who may decide this see it.'],
    ['not known', null, 'That cannot be looked up just now. Please close this and press the button again.'],
  ])('that is %s is said in the modal', async (_what, details, words) => {
    await using scene = await open();
    const card = await scene.shows({ detail: '', private_detail: true });
    scene.receiver.shows.details = details;
    const eve = scene.slack.user('Eve');
    await eve.click(card, 'Review');
    await eventually(() => expect(textOf(eve)).toBe(words));
  });
});

describe('/approvals', () => {
  /** The ephemeral messages that this person has in the channel `ops`, outside of threads. */
  function lists(scene: Scene, person: SlackPerson) {
    return scene.slack.workspace.messages.filter((one) => one.ephemeral_to === person.user.id && !one.thread_ts);
  }

  /** What the command is answered with, and what stands there when it is looked at again. */
  function waits(scene: Scene, waiting: WaitingApprovals): void {
    scene.receiver.answer({ effect: 'accepted', text: 'As text.', waiting });
    scene.receiver.shows.waiting = waiting;
  }

  it('lists what waits, and a decision made there comes from there, whatever its button carries', async () => {
    await using scene = await open();
    const elsewhere = { ...scene.key, channel: 'C_OTHER', thread: '9.9' };
    waits(scene, { approvals: [waitingApproval('appr_1', { conversation: elsewhere })], more: 2 });
    const ben = scene.slack.user('Ben');
    expect((await ben.command('ops', '/approvals', '')).acked).toBe(true);
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    const [list] = lists(scene, ben);
    if (list === undefined) throw new Error('There is no list');
    expect(list.text).toBe('3 approvals wait for you.');
    expect(readableText(list.blocks).join('\n')).toContain('*Deckhand* asked');
    expect(scene.receiver.commands).toMatchObject([{ name: 'approvals', text: '', person: { id: ben.user.id } }]);

    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    scene.receiver.shows.waiting = { approvals: [], more: 0 };
    await ben.click(list, 'Approve');
    await eventually(() => expect(lists(scene, ben)[0]?.text).toBe('Approved. Nothing waits for you.'));
    expect(lists(scene, ben)).toHaveLength(1);
    const here = { ...scene.key, thread: scene.key.channel };
    expect(scene.receiver.decisions).toMatchObject([{ decision: 'allow', conversation: here }]);
  });

  it('denies with a reason, also what was asked in no chat', async () => {
    await using scene = await open();
    waits(scene, { approvals: [waitingApproval('appr_1', { conversation: null, link: null })], more: 0 });
    const ben = scene.slack.user('Ben');
    await ben.command('ops', '/approvals', '');
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    const [list] = lists(scene, ben);
    if (list === undefined) throw new Error('There is no list');
    await ben.click(list, 'Deny');
    await ben.submit({ reason: 'no' });
    expect(scene.receiver.decisions).toMatchObject([
      { decision: 'deny', reason: 'no', conversation: { channel: scene.key.channel, thread: scene.key.channel } },
    ]);
  });

  it('stays on its page when something is decided there, and goes back from one that has nothing left', async () => {
    await using scene = await open();
    waits(scene, { approvals: [waitingApproval('appr_1')], more: 0, before: 20 });
    const ben = scene.slack.user('Ben');
    await ben.command('ops', '/approvals', 'mine 3');
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    const [list] = lists(scene, ben);
    if (list === undefined) throw new Error('There is no list');
    await ben.click(list, 'Approve');
    await eventually(() =>
      expect(lists(scene, ben)[0]?.text).toBe('Approved. 21 approvals wait for you. From number 21 on:'),
    );
    expect(scene.receiver.looks).toEqual([20]);
    scene.receiver.shows.waiting = { approvals: [], more: 0, before: 20 };
    await ben.click(lists(scene, ben)[0] ?? list, 'Approve');
    await eventually(() => expect(scene.receiver.looks).toEqual([20, 20, 10, 0]));
  });

  it.each(['the list', 'what became of a press'])('says %s once, although Slack’s answer was lost', async (what) => {
    await using scene = await open();
    waits(scene, { approvals: [waitingApproval('appr_1')], more: 0 });
    const ben = scene.slack.user('Ben');
    const lose = () => scene.slack.faults.loseResponse('response_url');
    if (what === 'the list') lose();
    await ben.command('ops', '/approvals', '');
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    if (what !== 'the list') {
      const [list] = lists(scene, ben);
      if (list === undefined) throw new Error('There is no list');
      scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
      lose();
      await ben.click(list, 'Approve');
      await eventually(() => expect(lists(scene, ben)[0]?.text).toContain('Approved.'));
    }
    await scene.connector.stop(STOP_MS);
    expect(lists(scene, ben)).toHaveLength(1);
    expect(scene.slack.journal.filter(({ method }) => method === 'chat.postEphemeral')).toEqual([]);
  });

  it('says to its person alone what became of a press when Slack takes the list no more', async () => {
    await using scene = await open();
    waits(scene, { approvals: [waitingApproval('appr_1')], more: 0 });
    const ben = scene.slack.user('Ben');
    await ben.command('ops', '/approvals', '');
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    const [list] = lists(scene, ben);
    if (list === undefined) throw new Error('There is no list');
    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    const { waiting } = scene.receiver;
    scene.receiver.waiting = async (from) => {
      // An answer to a press is taken for half an hour.
      await scene.slack.clock.advance(1_800_000);
      return waiting(from);
    };
    await ben.click(list, 'Approve');
    await eventually(() => expect(ben.told('ops').at(-1)).toBe('Approved.'));
  });

  it('says in the list when it cannot be known what waits now', async () => {
    await using scene = await open();
    waits(scene, { approvals: [waitingApproval('appr_1')], more: 0 });
    const ben = scene.slack.user('Ben');
    await ben.command('ops', '/approvals', '');
    await eventually(() => expect(lists(scene, ben)).toHaveLength(1));
    const [list] = lists(scene, ben);
    if (list === undefined) throw new Error('There is no list');
    scene.receiver.answer({ effect: 'accepted', text: 'Approved.' });
    scene.receiver.shows.waiting = null;
    await ben.click(list, 'Approve');
    await eventually(() =>
      expect(lists(scene, ben)[0]?.text).toBe(
        'Approved. What waits for you cannot be looked up just now. Please try again.',
      ),
    );
  });

  it('says so when nothing waits, and answers everything else in words', async () => {
    await using scene = await open();
    const ben = scene.slack.user('Ben');
    waits(scene, { approvals: [], more: 0 });
    await ben.command('ops', '/approvals', '');
    await eventually(() => expect(lists(scene, ben).map(({ text }) => text)).toEqual(['Nothing waits for you.']));
    scene.receiver.answer({ effect: 'refused', text: 'Say which one.' });
    await ben.command('ops', '/approvals', 'approve');
    await eventually(() => expect(ben.told('ops').at(-1)).toBe('Say which one.'));
  });
});

describe('reaching somebody', () => {
  it('opens their direct messages, those of a group’s members, or takes the channel', async () => {
    await using scene = await open();
    const [ben, cara] = [scene.slack.user('Ben').user, scene.slack.user('Cara').user];
    const group = userGroup(scene.slack.workspace, 'oncall', ben, cara);
    const directs = [ben, cara].map(({ id }) => directChannel(scene.slack.workspace, id).id);
    const reach = async (kind: Mention['kind'], id: string) =>
      (await scene.connector.reach?.({ kind, id }, { tenant: null }, signal))?.places.map(
        ({ conversation: { channel, thread } }) => [channel, thread],
      );
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
    const reached = await scene.connector.reach?.({ kind: 'group', id: group }, { tenant: null }, signal);
    expect(reached?.places.map(({ conversation }) => conversation.channel)).toEqual([
      directChannel(scene.slack.workspace, cara.id).id,
    ]);
  });

  it('writes to twenty of a group, and counts the others', async () => {
    await using scene = await open();
    const users = Array.from({ length: 23 }, (_, n) => scene.slack.user(`Member ${n}`).user);
    const group = userGroup(scene.slack.workspace, 'everyone-here', ...users);
    const reached = await scene.connector.reach?.({ kind: 'group', id: group }, { tenant: null }, signal);
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
