import { beforeEach, describe, expect, it } from 'vitest';
import { messageOfRef } from '../../connectors/slack/conversation-id.ts';
import type { ApprovalDetails, Form, WaitingApprovals } from '../../src/chat/inbound.ts';
import type { ApprovalCard } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { answerOut, approvalOut, waitingApproval } from '../support/cards.ts';
import { deferred } from '../support/deferred.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import type { MessagePlace, SlackPerson } from '../support/slack/person.ts';
import { matchesSnapshot, messageShown, modalShown } from '../support/slack/snapshot.ts';
import { channelNamed, directChannel, type SlackMessage } from '../support/slack/workspace.ts';

const signal = AbortSignal.timeout(60_000);

let receiver: RecordingReceiver;
let harness: SlackHarness;
let key: ConversationKey;
let ben: SlackPerson;

/** One message after another of one person's: a Slack of their own for each test. */
beforeEach(async () => {
  receiver = createRecordingReceiver();
  harness = await startSlackHarness(receiver);
  const { slack } = harness;
  const root = slack.user('Ana').mention('ops', 'clean up');
  ben = slack.user('Ben');
  channelNamed(slack.workspace, 'ops').members.add(ben.user.id);
  await slack.outbox.idle();
  key = { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts };
  return () => harness[Symbol.asyncDispose]();
});

/** What Slack shows to Ben alone, the latest. */
function whispered(): SlackMessage {
  const found = harness.slack.workspace.messages.findLast(({ ephemeral_to }) => ephemeral_to === ben.user.id);
  if (found === undefined) throw new Error('Ben was told nothing');
  return found;
}

/** As soon as it says this. */
async function whispers(name: string, words: string): Promise<void> {
  await eventually(() => expect(whispered().text).toContain(words));
  await matchesSnapshot(name, steady(messageShown(whispered())));
}

/** Each run has its own channels and times. */
function steady(shown: string): string {
  return shown.replaceAll(key.channel, 'C0OPS').replaceAll(key.thread, '5.1');
}

async function card(over: Partial<ApprovalCard> = {}): Promise<MessagePlace> {
  const ref = await harness.connector.post(key, approvalOut('dlv_card', over), signal);
  return { ...messageOfRef(ref), thread_ts: key.thread };
}

describe('the list of what waits', () => {
  const two = [waitingApproval('appr_1'), waitingApproval('appr_2')];

  /** Ben asks for it. */
  async function listed(waiting: WaitingApprovals, text = ''): Promise<void> {
    receiver.answer({ effect: 'accepted', text: 'As text.', waiting });
    await ben.command('ops', '/approvals', text);
    await eventually(() => expect(whispered().text).toMatch(/wait|Nothing/));
  }

  /** He approves the first of it: this is answered, and so much waits then. */
  async function approves(text: string, waiting: WaitingApprovals | null): Promise<void> {
    receiver.answer({ effect: 'accepted', text });
    receiver.shows.waiting = waiting;
    await ben.click(whispered(), 'Approve');
  }

  it('says what became of a press above what waits then, or that this is not known', async () => {
    await listed({ approvals: two, more: 0 });
    await approves('Approved.', { approvals: two.slice(1), more: 0 });
    await whispers('approvals-list-after', 'Approved. 1 approval waits');
    await approves('Approved.', null);
    await whispers('approvals-list-unknown', 'cannot be looked up');
  });

  it('has pages', async () => {
    await listed({ approvals: two, more: 3, before: 10 }, 'mine 2');
    await whispers('approvals-list-page', 'From number 11 on');
    await listed({ approvals: [], more: 0, before: 20 }, 'mine 3');
    await whispers('approvals-list-page-empty', 'Nothing waits there.');
  });

  it('says how many it has no room for', async () => {
    await listed({ approvals: two, more: 0 });
    const long = 'The disk is full & the old builds have to go. '.repeat(30);
    // Escaped it is four times as long.
    const reason = '<& '.repeat(600);
    const largest = {
      summary: long,
      why: long,
      approvers: long,
      requested_by: { id: 'U1', name: long },
      private_detail: true as const,
    };
    const approvals = Array.from({ length: 10 }, (_, n) =>
      waitingApproval(`appr_${n}`, { agent_name: long, card: largest }),
    );
    await approves(`Ana already denied this on 20 November at 10:00 UTC: ${reason}`, { approvals, more: 0 });
    await eventually(() => expect(readableText(whispered().blocks).join('\n')).toContain('more wait'));
    await matchesSnapshot('approvals-list-full', steady(messageShown(whispered())));
  });
});

describe('a modal', () => {
  const textOf = () => readableText(ben.view()?.blocks).join('\n');

  it('opens at once, and says what it shows when that is known', async () => {
    const place = await card({ detail: '', private_detail: true });
    for (const [name, button, details] of [
      ['modal-refused', 'Review', { refused: 'Only those who may decide this see it.' }],
      ['modal-not-known', 'Review', null],
      ['modal-deny-late', 'Deny', { summary: 'x', why: null, detail: '', closed: 'Ana already denied this.' }],
    ] satisfies [string, string, ApprovalDetails | null][]) {
      const known = deferred<void>();
      receiver.details = async () => {
        await known.promise;
        return details ?? Promise.reject(new Error('There are no details'));
      };
      await ben.click(place, button);
      expect(textOf()).toContain('One moment…');
      await matchesSnapshot(`modal-one-moment-${button.toLowerCase()}`, modalShown(ben));
      known.resolve();
      await eventually(() => expect(textOf()).not.toContain('One moment…'));
      await matchesSnapshot(name, modalShown(ben));
    }
  });
});

describe('what could not be done', () => {
  it('is said to its person', async () => {
    const place = await card();
    receiver.failNext(1);
    await ben.click(place, 'Approve');
    await whispers('trouble-not-recorded', 'could not be recorded');
    const secret = await card({ detail: '', private_detail: true });
    harness.slack.faults.refuse('views.open', 'expired_trigger_id');
    await ben.click(secret, 'Review');
    await whispers('trouble-not-shown', 'cannot be shown just now');
    receiver.command = async () => ({ receipt: Promise.reject(new Error('The database is away')) });
    await ben.command('ops', '/agents', 'pause deckhand');
    await whispers('trouble-not-done-yet', 'could not be done just now');
  });

  it('is said in the answer to what cannot be told later', async () => {
    receiver.failNext(1);
    const { payload } = await ben.command('ops', '/agents', 'list');
    await matchesSnapshot('trouble-not-taken', JSON.stringify(payload, null, 2));
    await ben.click(await card(), 'Deny');
    receiver.failNext(1);
    const refused = await ben.submit({ reason: 'no' });
    await matchesSnapshot('problems-denial', JSON.stringify(refused.payload, null, 2));
  });

  it('is said below the first field of a form', async () => {
    const what = { kind: 'text', name: 'what', label: 'What?', value: '', max_length: 80, multiline: false } as const;
    const form: Form = { command: 'agents', text: 'new', title: 'New agent', submit: 'Create', fields: [] };
    const { command } = receiver;
    for (const [name, troubled] of [
      ['problems-form-not-taken', () => Promise.reject(new Error('The database is away'))],
      ['problems-form-not-done-yet', async () => ({ receipt: Promise.reject(new Error('The database is away')) })],
    ] as const) {
      receiver.command = command;
      receiver.answer({ effect: 'accepted', text: '', form: { ...form, fields: [{ ...what, optional: false }] } });
      await ben.command('ops', '/agents', 'new');
      await eventually(() => expect(ben.view()).toBeDefined());
      receiver.command = troubled;
      const { payload } = await ben.submit({ what: 'x' });
      await matchesSnapshot(name, JSON.stringify(payload, null, 2));
    }
  });
});

describe('what Slack does not take', () => {
  it('as blocks is said without those that it may not know', async () => {
    const markdown = 'There are two.\n\n| File | Size |\n| --- | ---: |\n| a.txt | 12 |';
    harness.slack.faults.refuse('chat.postMessage', 'invalid_blocks');
    const { channel, ts } = messageOfRef(await harness.connector.post(key, answerOut('dlv_1', markdown), signal));
    const said = harness.slack.workspace.messages.find((one) => one.channel === channel && one.ts === ts);
    await matchesSnapshot('answer-plain', messageShown(said ?? { text: '', blocks: [] }));
  });

  it('for one person is said in their direct messages', async () => {
    harness.slack.faults.refuse('chat.postEphemeral', 'not_in_channel');
    await harness.connector.whisper(key, { id: ben.user.id, name: 'Ben' }, 'This agent is **paused**.', signal);
    const { id } = directChannel(harness.slack.workspace, ben.user.id);
    const said = harness.slack.workspace.messages.find(({ channel }) => channel === id);
    await matchesSnapshot('whisper-direct', steady(messageShown(said ?? { text: '', blocks: [] })));
    const direct = { ...key, channel: id, thread: id };
    harness.slack.faults.refuse('chat.postEphemeral', 'thread_not_found');
    await harness.connector.whisper(direct, { id: ben.user.id, name: 'Ben' }, 'This agent is **paused**.', signal);
    const last = harness.slack.workspace.messages.at(-1);
    await matchesSnapshot('whisper-direct-about-direct', steady(messageShown(last ?? { text: '', blocks: [] })));
  });

  it('because it is too long for one message says how much is left out', async () => {
    const lines = Array.from({ length: 60 }, (_, n) => `- **Agent ${n}** ${'reviews what others wrote '.repeat(8)}`);
    await harness.connector.whisper(key, { id: ben.user.id, name: 'Ben' }, lines.join('\n'), signal);
    await matchesSnapshot('whisper-too-long', messageShown(whispered()));
  });
});
