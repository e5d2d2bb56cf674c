import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DENY_VIEW } from '../../connectors/slack/deny-modal.ts';
import { createSlackConnector, type SlackConnector } from '../../connectors/slack/index.ts';
import type { Deliverer } from '../../src/chat/deliver.ts';
import { createRoles } from '../../src/chat/roles.ts';
import type { ApprovalPolicy } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import { asks, decided } from '../support/chat-events.ts';
import { eventually } from '../support/eventually.ts';
import { createPlatform } from '../support/fake-connector.ts';
import { slackOptions } from '../support/slack/harness.ts';
import { buttonLabels, type MessagePlace, type SlackPerson } from '../support/slack/person.ts';
import { type SlackServer, startSlackServer } from '../support/slack/server.ts';
import { readable } from '../support/slack/transcript.ts';
import { channelNamed, directChannel, type SlackMessage, userGroup } from '../support/slack/workspace.ts';
import { STOP_MS } from '../support/stop.ts';
import { useChatStage } from '../support/use-chat-stage.ts';

const stage = useChatStage();
let slack: SlackServer;
let connector: SlackConnector;
let gateways: Deliverer[];
let ana: SlackPerson;
let ben: SlackPerson;
let cara: SlackPerson;

beforeEach(async () => {
  slack = await startSlackServer();
  connector = createSlackConnector(slackOptions(slack));
  gateways = [gateway('gateway_1')];
  await connector.start(stage.receiver({ connectors: connectors() }).service);
  ana = slack.user('Ana');
  ben = slack.user('Ben');
  cara = slack.user('Cara');
});

afterEach(async () => {
  await connector.stop(STOP_MS);
  await Promise.all(gateways.map((one) => one.stop()));
  await slack[Symbol.asyncDispose]();
});

const connectors = () => new Map([['slack', connector]]);

function gateway(name: string): Deliverer {
  return stage.deliverer(createPlatform(), name, { connectors: connectors(), roles: createRoles(stage.db, []) });
}

/** What Ben said began a session, and the turn asks those whom the policy names. Returns the approval's id. */
async function asked(policy: Partial<ApprovalPolicy>): Promise<string> {
  await eventually(async () => expect(await stage.entries('user.message')).toHaveLength(1));
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  const tool_use_id = newId('sevt');
  const approval_id = derivedId('appr', tool_use_id);
  const requested_by = { via: 'slack', id: ben.user.id, name: 'Ben' };
  const events = asks(approval_id, tool_use_id, policy);
  await stage.append(
    ref,
    ...events.map((event) => (event.type === 'deckhand.approval_requested' ? { ...event, requested_by } : event)),
  );
  await stage.approvals.record(ref, await stage.log.read(ref));
  return approval_id;
}

const named = (...people: SlackPerson[]) => people.map(({ user }) => `slack:${user.id}`);
const directOf = ({ user }: SlackPerson) => directChannel(slack.workspace, user.id).id;

function cardsIn(channel: string): SlackMessage[] {
  return slack.workspace.messages.filter(
    (one) => one.channel === channel && /^(Approval needed|Approved|Denied): bash/.test(readable(one)),
  );
}

function cardIn(channel: string): SlackMessage {
  const [card] = cardsIn(channel);
  if (card === undefined) throw new Error(`There is no card in ${channel}`);
  return card;
}

/** Everything is shown, and nothing more is on its way. */
async function shown(): Promise<void> {
  await eventually(async () => expect(await stage.log.undelivered(1)).toEqual([]));
}

it('asks the owner in their direct messages when somebody else talks to their agent', async () => {
  const thread = ben.dm('clean up');
  await asked({ approvers: named(ana) });
  await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Ana*'));
  const theirs = readable(cardIn(directOf(ana)));
  expect(theirs).toContain('Asked in a direct message, and you may decide it.');
  expect(theirs).toContain('Requested by *Ben*');
  expect(theirs).toContain('rm -rf build');
  expect(theirs).not.toContain('Open the thread');
  expect((await ana.click(cardIn(directOf(ana)), 'Approve')).acked).toBe(true);
  await eventually(() => {
    for (const channel of [thread.channel, directOf(ana)]) {
      expect(readable(cardIn(channel))).toContain('Approved by *Ana*');
      expect(buttonLabels(cardIn(channel))).toEqual([]);
    }
  });
  expect(await stage.entries('user.tool_confirmation')).toMatchObject([{ event: { result: 'allow' } }]);
  expect([...cardsIn(thread.channel), ...cardsIn(directOf(ana))]).toHaveLength(2);
});

it('mentions who is in the channel there and nowhere else, and asks each of the others once', async () => {
  channelNamed(slack.workspace, 'ops').members.add(ana.user.id);
  const dora = slack.user('Dora');
  const group = userGroup(slack.workspace, 'oncall', ana.user, ben.user, cara.user, dora.user);
  const thread = ben.mention('ops', 'clean up');
  await asked({ approvers: [...named(ana, cara), `slack:group:${group}`] });
  await eventually(() =>
    expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Cara*, *@oncall*'),
  );
  await shown();
  expect(readable(cardIn(thread.channel))).toContain(`<@${ana.user.id}>`);
  expect([ana, ben, cara, dora].map((person) => cardsIn(directOf(person)).length)).toEqual([0, 0, 1, 1]);
  expect(readable(cardIn(directOf(cara)))).toContain(`Asked in <#${thread.channel}>, and you may decide it.`);
  expect(readable(cardIn(directOf(cara)))).toContain('|Open the thread>');
});

it('says nothing of it where all are in the channel', async () => {
  channelNamed(slack.workspace, 'ops').members.add(ana.user.id);
  const thread = ben.mention('ops', 'clean up');
  await asked({ approvers: named(ana, ben) });
  await shown();
  expect(readable(cardIn(thread.channel))).not.toMatch(/Asked in direct messages|Could not ask/);
  expect(slack.workspace.messages.filter(({ channel }) => channel.startsWith('D'))).toEqual([]);
});

it('asks nobody who may not decide what they asked for', async () => {
  const group = userGroup(slack.workspace, 'oncall', ben.user, cara.user);
  const thread = slack.user('Eve').mention('ops', 'clean up');
  await asked({ approvers: [`slack:group:${group}`], four_eyes: true });
  await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *@oncall*'));
  expect([ben, cara].map((person) => cardsIn(directOf(person)).length)).toEqual([0, 1]);
});

it('keeps what is private to those who look at it', async () => {
  ben.dm('clean up');
  await asked({ approvers: named(ana), private_detail: true });
  await eventually(() => expect(cardsIn(directOf(ana))).toHaveLength(1));
  expect(readable(cardIn(directOf(ana)))).not.toMatch(/rm -rf|deletes files/);
  expect(buttonLabels(cardIn(directOf(ana)))).toEqual(['Review', 'Deny']);
  await ana.click(cardIn(directOf(ana)), 'Review');
  await eventually(() => expect(JSON.stringify(ana.view()?.blocks)).toContain('rm -rf build'));
});

it.each([
  ['user_not_found', 'they are not in this workspace'],
  ['missing_scope', 'the app was not given leave to'],
])('says in the thread, in words, who could not be asked (%s)', async (reason, words) => {
  const thread = ben.dm('clean up');
  slack.faults.refuse('conversations.open', reason);
  await asked({ approvers: named(cara, ana) });
  await eventually(() => expect(readable(cardIn(thread.channel))).toContain(`Could not ask *Cara*: ${words}`));
  expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Ana*');
  await shown();
});

it.each(['missing_scope', 'no_permission'])(
  'holds nothing up where it may not look up a group (%s)',
  async (reason) => {
    const thread = ben.dm('clean up');
    const group = userGroup(slack.workspace, 'oncall', cara.user);
    slack.faults.refuse('usergroups.users.list', reason, 100);
    await asked({ approvers: [`slack:group:${group}`, ...named(ana)] });
    await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Ana*'));
    expect(readable(cardIn(thread.channel))).toContain('Could not ask *@oncall*: ');
    await shown();
  },
);

it('asks everybody directly where Slack may not say who is in the channel', async () => {
  slack.workspace.scopes.delete('channels:read');
  channelNamed(slack.workspace, 'ops').members.add(ana.user.id);
  const thread = ben.mention('ops', 'clean up');
  await asked({ approvers: named(ana, ben) });
  await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Ana*'));
  expect([ana, ben].map((person) => cardsIn(directOf(person)).length)).toEqual([1, 0]);
});

it('looks through the members of a channel once for all who are named', async () => {
  channelNamed(slack.workspace, 'ops').members.add(ana.user.id);
  const group = userGroup(slack.workspace, 'oncall', slack.user('Dora').user);
  const thread = ben.mention('ops', 'clean up');
  await asked({ approvers: [...named(ana, cara, slack.user('Eve')), `slack:group:${group}`] });
  await eventually(() => expect(readable(cardIn(thread.channel))).toContain('*Cara*, *Eve*, *@oncall*'));
  expect(slack.journal.filter(({ method }) => method === 'conversations.members')).toHaveLength(1);
});

describe('where nobody is named and those who are there cannot decide alone', () => {
  const admin = ({ user }: SlackPerson) =>
    createRoles(stage.db, []).give(stage.defaults.workspace_id, `slack:${user.id}`, 'admin');

  it.each(['dm', 'channel'] as const)('asks an admin for a guest (%s)', async (kind) => {
    await admin(ana);
    ben.user.is_restricted = true;
    const thread = kind === 'dm' ? ben.dm('clean up') : ben.mention('ops', 'clean up');
    const approval_id = await asked({});
    await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Ana*'));
    expect(readable(cardIn(thread.channel))).toContain('Who may decide: members in this conversation and admins');
    await ben.click(cardIn(thread.channel), 'Approve');
    await eventually(() => expect(slack.transcript(thread)).toContain('Guests may not decide this.'));
    expect(await waiting(ana)).toEqual([approval_id]);
    expect(await waiting(cara)).toEqual([]);
    await ana.click(cardIn(directOf(ana)), 'Approve');
    await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Approved by *Ana*'));
    expect(await stage.entries('user.tool_confirmation')).toMatchObject([{ event: { result: 'allow' } }]);
  });

  it('asks an admin where one person alone is not enough', async () => {
    await admin(ana);
    const thread = ben.dm('clean up');
    await asked({ quorum: 2 });
    await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Ana*'));
    await ben.click(cardIn(thread.channel), 'Approve');
    await eventually(() => expect(readable(cardIn(directOf(ana)))).toContain('1 of 2 have approved: *Ben*'));
    await ana.click(cardIn(directOf(ana)), 'Approve');
    await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Approved by *Ben*, *Ana*'));
  });

  it('says where there is no admin, and lets who asked deny what they may not approve', async () => {
    const thread = ben.dm('clean up');
    await asked({ four_eyes: true });
    await eventually(() =>
      expect(readable(cardIn(thread.channel))).toContain('Could not ask *an admin*: there is none'),
    );
    await ben.click(cardIn(thread.channel), 'Deny');
    await eventually(() => expect(ben.view()?.callback_id).toBe(DENY_VIEW));
    await ben.submit({ reason: 'Never mind' });
    await eventually(() => expect(readable(cardIn(thread.channel))).toContain('Denied by *Ben*'));
  });

  it('says that too few are admins', async () => {
    await admin(ana);
    const thread = ben.dm('clean up');
    await asked({ quorum: 3 });
    await eventually(() =>
      expect(readable(cardIn(thread.channel))).toContain('*enough people*: it takes 3 to approve, and there are 2'),
    );
  });

  it('asks no admin where members may be, and lets none decide from elsewhere', async () => {
    await admin(ana);
    const thread = ben.mention('ops', 'clean up');
    await asked({ quorum: 2 });
    await shown();
    expect(readable(cardIn(thread.channel))).not.toMatch(/Asked in direct messages|Could not ask|admins/);
    expect(await waiting(ana)).toEqual([]);
  });

  /** What their `/approvals` lists, wherever they type it. */
  async function waiting({ user }: SlackPerson): Promise<string[]> {
    const conversation = { connector: 'slack', tenant: slack.workspace.team_id, channel: user.id, thread: user.id };
    const person = { id: user.id, name: user.name };
    const { service } = stage.receiver({ connectors: connectors() });
    const { approvals } = await service.waiting({ conversation, person });
    return approvals.map(({ card }) => card.approval_id);
  }
});

it('asks nobody elsewhere what was decided before it was shown', async () => {
  await Promise.all(gateways.map((one) => one.stop()));
  const thread = ben.dm('clean up');
  const approval_id = await asked({ approvers: named(ana) });
  const [ref] = await stage.refs();
  if (ref === undefined) throw new Error('There is no session');
  await stage.append(ref, decided(approval_id, 'sevt_x', 'withdrawn', null));
  await stage.approvals.record(ref, await stage.log.read(ref));
  gateways = [gateway('gateway_2')];
  stage.wake(ref);
  await shown();
  expect(buttonLabels(slack.workspace.messages.at(-1) as SlackMessage)).toEqual([]);
  expect(slack.transcript(thread)).toContain('Withdrawn: bash');
  expect(cardsIn(directOf(ana))).toEqual([]);
});

describe('a reminder', () => {
  const HOUR = 3_600_000;

  async function later(ms: number): Promise<void> {
    stage.clock.now += ms;
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    await timers.runNow();
  }

  const remindersIn = (channel: string) =>
    slack.workspace.messages.filter((one) => one.channel === channel && one.text.includes('A reminder'));

  it('stands below each card, with the way to it', async () => {
    const thread = ben.dm('clean up');
    const oncall = slack.channel('oncall').id;
    await asked({
      approvers: named(ana),
      remind_after_ms: 2 * HOUR,
      escalate_after_ms: HOUR,
      escalate_to: [`slack:channel:${oncall}`],
    });
    await eventually(() => expect(cardsIn(directOf(ana))).toHaveLength(1));
    await later(HOUR);
    await eventually(() => expect(cardsIn(oncall)).toHaveLength(1));
    await later(HOUR);
    await eventually(() => {
      for (const channel of [thread.channel, directOf(ana), oncall]) {
        const [reminder, ...more] = remindersIn(channel);
        expect(more).toEqual([]);
        const { ts } = cardIn(channel);
        expect(reminder?.text).toBe('ℹ️ A reminder: the approval above is still waiting.');
        expect(JSON.stringify(reminder?.blocks)).toContain(`/archives/${channel}/p${ts.replace('.', '')}`);
      }
    });
    expect(remindersIn(thread.channel)[0]?.thread_ts).toBe(thread.ts);
    expect(remindersIn(oncall)[0]?.thread_ts).toBeUndefined();
  });

  it('comes to nobody who has approved already', async () => {
    const thread = ben.dm('clean up');
    await asked({ approvers: named(ana, cara), quorum: 2, remind_after_ms: HOUR });
    await eventually(() => expect(readable(cardIn(thread.channel))).toContain('*Ana*, *Cara*'));
    await ana.click(cardIn(directOf(ana)), 'Approve');
    await eventually(() => expect(readable(cardIn(directOf(cara)))).toContain('1 of 2 have approved'));
    await later(HOUR);
    await eventually(() => expect(remindersIn(directOf(cara))).toHaveLength(1));
    await shown();
    expect(remindersIn(directOf(ana))).toEqual([]);
  });

  it('takes the place of a second card, where somebody who was asked is asked once more', async () => {
    ben.dm('clean up');
    await asked({ approvers: named(ana), escalate_after_ms: HOUR, escalate_to: named(ana) });
    await eventually(() => expect(cardsIn(directOf(ana))).toHaveLength(1));
    await later(HOUR);
    await eventually(() => expect(remindersIn(directOf(ana))).toHaveLength(1));
    expect(cardsIn(directOf(ana))).toHaveLength(1);
  });
});

describe('killed', () => {
  /** Between two steps of it, and then another gateway goes on. */
  async function killed(ended: { end(how: 'taken' | 'dropped'): void }, how: 'taken' | 'dropped'): Promise<void> {
    await Promise.all(gateways.map((one) => one.stop()));
    ended.end(how);
    const [ref] = await stage.refs();
    if (ref === undefined) throw new Error('There is no session');
    gateways = [gateway('gateway_2')];
    stage.wake(ref);
    await shown();
  }

  function expectOneEach(thread: MessagePlace): void {
    expect([thread.channel, directOf(ana)].map((channel) => cardsIn(channel).length)).toEqual([1, 1]);
    expect(readable(cardIn(thread.channel))).toContain('Asked in direct messages: *Ana*');
  }

  it('between the card in the conversation and that of the owner, it asks once in each', async () => {
    const link = slack.faults.hold('chat.getPermalink');
    const thread = ben.dm('clean up');
    await asked({ approvers: named(ana) });
    await link.reached;
    await killed(link, 'dropped');
    expectOneEach(thread);
  });

  it.each(['taken', 'dropped'] as const)('as it asks the owner, whose card is %s, it asks once', async (how) => {
    const link = slack.faults.hold('chat.getPermalink');
    const thread = ben.dm('clean up');
    await asked({ approvers: named(ana) });
    await link.reached;
    const post = slack.faults.hold('chat.postMessage');
    link.end('taken');
    await post.reached;
    await killed(post, how);
    expectOneEach(thread);
  });

  it('before the conversation says who was asked, it says so', async () => {
    const link = slack.faults.hold('chat.getPermalink');
    const thread = ben.dm('clean up');
    await asked({ approvers: named(ana) });
    await link.reached;
    const edit = slack.faults.hold('chat.update');
    link.end('taken');
    await edit.reached;
    await killed(edit, 'dropped');
    expectOneEach(thread);
  });
});
