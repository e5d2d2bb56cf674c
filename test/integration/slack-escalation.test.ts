import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createSlackConnector, type SlackConnector } from '../../connectors/slack/index.ts';
import type { Deliverer } from '../../src/chat/deliver.ts';
import type { ApprovalPolicy } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import { REMOVAL } from '../support/cards.ts';
import { asks } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { readableText } from '../support/slack/block-limits.ts';
import { slackOptions } from '../support/slack/harness.ts';
import { buttonLabels, type MessagePlace } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import { directChannel, type SlackMessage, userGroup } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

const HOUR = 3_600_000;

const stage = useChatStage();
let slack: SlackServer;
let connector: SlackConnector;
let gateway: Deliverer;

beforeEach(async () => {
  slack = await startSlackServer();
  connector = createSlackConnector(slackOptions(slack));
  const connectors = new Map([['slack', connector]]);
  gateway = stage.deliverer(createPlatform(), 'gateway_1', { connectors });
  await connector.start(stage.receiver({ connectors }).service);
});

afterEach(async () => {
  await connector.stop(STOP_MS);
  await gateway.stop();
  await slack[Symbol.asyncDispose]();
});

/** Ana asks for something in `ops`, and the turn asks whether it may. Returns her thread. */
async function asked(over: Partial<ApprovalPolicy> = {}): Promise<MessagePlace> {
  const thread = slack.user('Ana').mention('ops', 'clean up');
  // The session is there before what she said is in its log.
  await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  const tool_use_id = newId('sevt');
  const [ana, ben] = [slack.user('Ana').user.id, slack.user('Ben').user.id];
  const policy = {
    approvers: [`slack:${ana}`],
    escalate_after_ms: HOUR,
    escalate_to: [`slack:${ben}`, `slack:channel:${slack.channel('oncall').id}`],
    ...over,
  };
  await stage.append(ref, ...asks(derivedId('appr', tool_use_id), tool_use_id, policy));
  await stage.approvals.record(ref, await stage.log.read(ref));
  await eventually(() => expect(cardIn(thread.channel)).toBeDefined());
  return thread;
}

function cardIn(channel: string): SlackMessage | undefined {
  return slack.workspace.messages.find(
    (message) => message.channel === channel && readable(message).includes(REMOVAL.summary),
  );
}

function shownIn(channel: string): string {
  const card = cardIn(channel);
  if (card === undefined) throw new Error(`There is no card in ${channel}`);
  return readable(card);
}

async function later(ms: number): Promise<void> {
  stage.clock.now += ms;
  await using timers = stage.approvals.startTimers(HOUR, 5_000);
  await timers.runNow();
}

it('asks a person directly, then a channel; decided there, every card says by whom', async () => {
  const thread = await asked();
  const ben = slack.user('Ben');
  const direct = directChannel(slack.workspace, ben.user.id).id;
  const oncall = slack.channel('oncall').id;

  await later(HOUR);
  await eventually(() => expect(cardIn(direct)).toBeDefined());
  expect(shownIn(direct)).toContain(`/archives/${thread.channel}/p`);
  expect(cardIn(oncall)).toBeUndefined();
  await eventually(() => expect(shownIn(thread.channel)).toContain('Also asked: *Ben*'));
  await eventually(() => expect(slack.transcript(thread)).toContain('I have asked Ben as well'));

  await later(HOUR);
  await eventually(() => expect(cardIn(oncall)).toBeDefined());
  await eventually(() => expect(slack.transcript(thread)).toContain(`I have asked <#${oncall}> as well`));
  const inChannel = cardIn(oncall);
  const eve = slack.user('Eve');
  // Whoever is in the channel that was asked may decide; whoever is only in the thread may not.
  const first = cardIn(thread.channel);
  if (inChannel === undefined || first === undefined) throw new Error('A card is missing');
  await eve.click(first, 'Approve');
  await eventually(() =>
    expect(eve.sees(thread).at(-1)?.text).toBe(`You may not decide this. Who may: Ana, Ben, <#${oncall}>.`),
  );
  await eve.click(inChannel, 'Approve');
  await eventually(() => {
    for (const channel of [thread.channel, direct, oncall]) expect(shownIn(channel)).toContain('Approved by *Eve*');
  });
  for (const channel of [thread.channel, direct, oncall]) {
    const card = cardIn(channel);
    expect(card === undefined ? null : buttonLabels(card)).toEqual([]);
  }

  await ben.click(inChannel, 'Approve').catch(() => undefined);
  expect(await stage.entries('deckhand.approval_decided')).toHaveLength(1);
  expect(slack.workspace.messages.filter((message) => readable(message).includes(REMOVAL.summary))).toHaveLength(3);
});

it('says in words why a channel could not be asked', async () => {
  const oncall = slack.channel('oncall');
  oncall.members.clear();
  const thread = await asked({ escalate_to: [`slack:channel:${oncall.id}`] });
  await later(HOUR);
  await eventually(() =>
    expect(slack.transcript(thread)).toContain(`I could not ask <#${oncall.id}>: I am not in the channel.`),
  );
});

describe('/approvals in a channel that was asked besides', () => {
  /** The list that this person gets there. */
  async function listed(name: string): Promise<SlackMessage> {
    await asked({ escalate_to: [`slack:channel:${slack.channel('oncall').id}`] });
    await later(HOUR);
    await eventually(() => expect(cardIn(slack.channel('oncall').id)).toBeDefined());
    const person = slack.user(name);
    await person.command('oncall', '/approvals', '');
    return eventually(() => {
      const list = slack.workspace.messages.find((one) => one.ephemeral_to === person.user.id);
      if (list === undefined) throw new Error('There is no list');
      expect(readable(list)).toContain(REMOVAL.summary);
      return list;
    });
  }

  it('decides by its buttons', async () => {
    const list = await listed('Eve');
    const eve = slack.user('Eve');
    await eve.click(list, 'Approve');
    await eventually(() => expect(list.text).toBe('Approved. Nothing waits for you.'));
    expect(await stage.entries('deckhand.approval_decided')).toMatchObject([{ event: { by: { name: 'Eve' } } }]);
  });

  it('denies with a reason', async () => {
    const list = await listed('Eve');
    const eve = slack.user('Eve');
    await eve.click(list, 'Deny');
    await eventually(() => expect(eve.view()?.blocks.some(({ type }) => type === 'input')).toBe(true));
    await eve.submit({ reason: 'no' });
    await eventually(() => expect(list.text).toContain('Denied.'));
  });

  it('decides in words', async () => {
    await listed('Eve');
    const [{ approval_id } = { approval_id: '' }] = (await stage.entries('deckhand.approval_requested')).map(
      ({ event }) => event,
    );
    const eve = slack.user('Eve');
    await eve.command('ops', '/approvals', `approve ${approval_id}`);
    await eventually(() => expect(eve.told('ops').at(-1)).toContain('You may not decide this.'));
    await eve.command('oncall', '/approvals', `approve ${approval_id}`);
    await eventually(() => expect(eve.told('oncall').at(-1)).toBe('Approved.'));
  });
});

it('reminds in the thread, each time with a mention of who may decide by then', async () => {
  const [ana, ben] = [slack.user('Ana').user, slack.user('Ben').user];
  const group = userGroup(slack.workspace, 'ops-leads', slack.user('Cara').user);
  const thread = await asked({ approvers: [`slack:${ana.id}`, `slack:group:${group}`], remind_after_ms: HOUR / 2 });
  const reminders = () =>
    slack.workspace.messages
      .filter(({ channel, blocks }) => channel === thread.channel && readableText(blocks).join().includes('A reminder'))
      .map(({ blocks }) => readableText(blocks).at(-1));
  await later(HOUR / 2);
  const first = `Agent: *deckhand*  ·  For <@${ana.id}>, <!subteam^${group}>`;
  await eventually(() => expect(reminders()).toEqual([first]));
  await later(HOUR / 2);
  await eventually(() => expect(reminders()).toEqual([first, `${first}, <@${ben.id}>`]));
  await eventually(() => expect(shownIn(thread.channel)).toContain('Reminded 2 times'));
});
