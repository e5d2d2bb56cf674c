import { afterEach, beforeEach, expect, it } from 'vitest';
import { reminderText } from '../../src/chat/approval-elsewhere.ts';
import type { Called, Outgoing } from '../../src/chat/outgoing.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { answerOut, approvalOut, textOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import { createRecordingReceiver, type RecordingReceiver } from '../support/recording-receiver.ts';
import { withoutIds } from '../support/slack/block-limits.ts';
import { type SlackHarness, startSlackHarness } from '../support/slack/harness.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import type { SlackMessage } from '../support/slack/workspace.ts';

const signal = AbortSignal.timeout(60_000);
const TEXT = 'There are **two** files: `notes.md` and [the plan](https://plan.test).\n\n- one <b> & two';

let receiver: RecordingReceiver;
let harness: SlackHarness;
let root: MessagePlace;

beforeEach(async () => {
  receiver = createRecordingReceiver();
  harness = await startSlackHarness(receiver);
});

afterEach(() => harness[Symbol.asyncDispose]());

/** Ana's conversation with the bot. */
async function place(where: 'ops' | 'direct' = 'ops'): Promise<ConversationKey> {
  const { slack } = harness;
  const ana = slack.user('Ana');
  root = where === 'ops' ? ana.mention('ops', 'hello') : ana.dm('hello');
  await slack.outbox.idle();
  return { connector: 'slack', tenant: slack.workspace.team_id, channel: root.channel, thread: root.ts };
}

function notice(level: 'info' | 'error', over: { called?: Called[]; markdown?: string } = {}): Outgoing {
  return { kind: 'notice', delivery_id: 'dlv_1', level, markdown: TEXT, agent_name: 'Deckhand', ...over };
}

/** Whom a reminder calls: by their mention, where Slack has one. */
const CALLED: Called[] = [
  { name: 'Ana', mention: { kind: 'person', id: 'U0ANA' } },
  { name: 'Leads', mention: { kind: 'group', id: 'S0LEADS' } },
  { name: 'Ben & <Co>' },
];

/** The latest message as Slack has it, which refuses what breaks a limit. */
async function matches(name: string, message: SlackMessage | undefined = harness.slack.workspace.messages.at(-1)) {
  const { text = '', blocks = [] } = message ?? {};
  // Each run has its own time.
  const shown = JSON.stringify({ text, blocks: withoutIds(blocks) }, null, 2).replaceAll(root.ts, '5.1');
  await expect(`${shown}\n`).toMatchFileSnapshot(`../snapshots/slack/${name}.json`);
}

it.each([
  ['answer', textOut('dlv_1', TEXT)],
  ['notice-info', notice('info')],
  ['notice-error', notice('error')],
  ['notice-reminder', notice('info', { markdown: reminderText('https://deckhand.slack.test/p51'), called: CALLED })],
])('%s', async (name, outgoing) => {
  await harness.connector.post(await place(), outgoing, signal);
  await matches(name);
});

it('an answer that was streamed', async () => {
  const key = await place('direct');
  const ref = await harness.connector.post(key, textOut('dlv_1', 'There are ', true), signal);
  await harness.connector.edit(key, ref, answerOut('dlv_1', 'There are **two** files.'), signal);
  await matches('answer-streamed');
});

it('a file', async () => {
  const outgoing: Outgoing = {
    kind: 'file',
    delivery_id: 'dlv_1',
    name: 'answer.md',
    content: TEXT,
    markdown: 'The whole of it & more.',
    agent_name: 'Deckhand',
  };
  await harness.connector.post(await place(), outgoing, signal);
  await matches('file');
});

it('a question that somebody asks with a shortcut', async () => {
  const question = { delivery_id: 'dlv_1', markdown: '**Ana** asks **deckhand**:\n> Why?', since: new Date() };
  await harness.connector.ask?.(await place(), question, signal);
  await matches('question');
});

it('words for one person', async () => {
  const key = await place();
  await harness.connector.whisper(key, { id: harness.slack.user('Ana').user.id, name: 'Ana' }, TEXT, signal);
  await matches('whisper');
});

it('words for one person where Slack takes none in the channel', async () => {
  const ref = await harness.connector.post(await place(), approvalOut('dlv_1'), signal);
  const [channel = '', ts = ''] = ref.split(':');
  receiver.answer({ effect: 'refused', text: 'You may not decide this. Who may: Ana <admin> & Ben.' });
  harness.slack.faults.refuse('chat.postEphemeral', 'user_not_in_channel');
  const ben = harness.slack.user('Ben');
  await ben.click({ channel, ts, thread_ts: root.ts }, 'Approve');
  const told = () => harness.slack.workspace.messages.find(({ ephemeral_to }) => ephemeral_to === ben.user.id);
  await eventually(() => expect(told()).toBeDefined());
  await matches('whisper-by-response-url', told());
});
