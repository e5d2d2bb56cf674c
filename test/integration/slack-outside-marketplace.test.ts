import { beforeEach, expect, it } from 'vitest';
import { RateLimitedError } from '../../src/chat/connector.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { textOut } from '../support/cards.ts';
import { eventually } from '../support/eventually.ts';
import type { MessagePlace } from '../support/slack/person.ts';
import { readable } from '../support/slack/transcript.ts';
import { useSlackStage } from '../support/slack/use-slack-stage.ts';
import { channelNamed } from '../support/slack/workspace.ts';

const signal = AbortSignal.timeout(60_000);
const MINUTE_MS = 60_000;

const { stage, slack, connector } = useSlackStage();

/** An app that other companies install and that Slack's Marketplace does not have: one page a minute, of 15 messages. */
beforeEach(() => {
  slack.workspace.outside_marketplace = true;
});

/** Ana and Ben talk about this and that. */
function thread(replies: number): MessagePlace {
  slack.channel('ops');
  const root = slack.user('Ben').says('ops', 'the deploy broke');
  for (let n = 1; n <= replies; n += 1) slack.user('Ben').reply(root, `message ${n}.`);
  return root;
}

/** What the agent was given, in order. */
async function given(count: number): Promise<string[]> {
  return eventually(async () => {
    const messages = await stage.entries('user.message');
    expect(messages).toHaveLength(count);
    return messages.map(({ event }) => event.content.map((block) => ('text' in block ? block.text : '')).join());
  });
}

const pages = () => slack.journal.filter(({ method }) => method === 'conversations.replies');

it('a mention in a short thread brings all of it', async () => {
  const root = thread(10);
  slack.user('Ana').reply(root, 'what is this?', { mention: true });
  const [context] = await given(2);
  expect(context).toContain('> message 10.');
  expect(context).not.toContain('could not be read');
});

it('a mention in a long thread brings what Slack gives of it, and says what is missing', async () => {
  const root = thread(40);
  slack.user('Ana').reply(root, 'what is this?', { mention: true });
  const [context, said] = await given(2);
  expect(context).toContain('> the deploy broke');
  expect(context).toContain('> message 14.');
  expect(context).not.toContain('message 15.');
  expect(context).toMatch(/between these and the next message could not be read \(the chat platform asks to wait\)/);
  expect(said).toBe('what is this?');
  expect(pages().map(({ outcome }) => outcome)).toEqual(['ok', '429']);
});

it('a second mention within the minute is heard without what was said before, in words', async () => {
  const first = thread(3);
  slack.user('Ana').reply(first, 'what is this?', { mention: true });
  await given(2);
  const second = thread(3);
  slack.user('Ana').reply(second, 'and this?', { mention: true });
  const [, , context, said] = await given(4);
  expect(context).toContain('could not be read (the chat platform asks to wait)');
  expect(said).toBe('and this?');
});

it('a post whose answer was lost is found in a long thread, a page each minute', async () => {
  const root = thread(40);
  const here: ConversationKey = {
    connector: 'slack',
    tenant: slack.workspace.team_id,
    channel: root.channel,
    thread: root.ts,
  };
  slack.faults.loseResponse('chat.postMessage');
  await expect(connector.post(here, textOut('dlv_lost', 'said once'), signal)).rejects.toThrow();
  for (let minutes = 0; minutes < 2; minutes += 1) {
    const wait = await connector.find(here, 'dlv_lost', signal).catch((error: unknown) => error);
    expect(wait).toBeInstanceOf(RateLimitedError);
    await slack.clock.advance(MINUTE_MS);
  }
  expect(await connector.find(here, 'dlv_lost', signal)).not.toBeNull();
  // Looked for again, it is looked for from the beginning.
  await slack.clock.advance(MINUTE_MS);
  await expect(connector.find(here, 'dlv_lost', signal)).rejects.toBeInstanceOf(RateLimitedError);
  expect(pages().map(({ outcome }) => outcome)).toEqual(['ok', '429', 'ok', '429', 'ok', 'ok', '429']);
});

it('what somebody asks in a channel of many messages is shown at once: only what came since is looked through', async () => {
  const { id } = channelNamed(slack.workspace, 'lab');
  for (let n = 1; n <= 40; n += 1) slack.user('Ben').says('lab', `message ${n}.`);
  for (const message of slack.workspace.messages) message.ts = (Number(message.ts) - 3_600).toFixed(6);
  const ana = slack.user('Ana');
  await ana.shortcut('deckhand_ask');
  await eventually(() => expect(ana.view()).toBeDefined());
  await ana.submit({ what: 'What is new?', where: id });
  await given(1);
  const shown = slack.workspace.messages.filter((message) => message.bot_id !== undefined);
  expect(shown.map(readable)).toContain('**Ana** asks **deckhand**:\n> What is new?');
  const looks = slack.journal.filter(({ method }) => method === 'conversations.history');
  expect(looks.map(({ outcome }) => outcome)).toEqual(['ok']);
});
