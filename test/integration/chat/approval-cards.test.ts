import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { ApprovalCard, PlannedCall, ToolActivity } from '../../../src/chat/outgoing.ts';
import { createRoles } from '../../../src/chat/roles.ts';
import type { ApprovalPolicy } from '../../../src/session/event.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { asks, ends, returns, uses } from '../../support/chat-events.ts';
import { type ChatStage, place } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const HOUR = 3_600_000;

const stage = useChatStage();
let platform: Platform;
let running: Deliverer[];
let ref: SessionRef;
let clicks = 0;

beforeEach(async () => {
  platform = createPlatform();
  platform.names.set('U_BEN', 'Ben');
  platform.groups.set('S1', { name: 'oncall', people: ['U_CARA'] });
  running = [];
  ref = await stage.session();
});

afterEach(async () => {
  await Promise.all(running.map((deliverer) => deliverer.stop()));
});

/** The turn asks, its worker records it, and a gateway shows it. Returns the approval's id. */
async function asked(
  policy: Partial<ApprovalPolicy>,
  over: Parameters<ChatStage['deliverer']>[2] = {},
): Promise<string> {
  const tool_use_id = newId('sevt');
  const approval_id = derivedId('appr', tool_use_id);
  await stage.append(ref, ...asks(approval_id, tool_use_id, policy));
  await stage.approvals.record(ref, await stage.log.read(ref));
  running.push(stage.deliverer(platform, 'gateway_1', over));
  stage.wake(ref);
  await eventually(() => expect(card().approval_id).toBe(approval_id));
  return approval_id;
}

/** As it stands now. */
function card(): ApprovalCard {
  const [shown] = platform.messages.map((message) => message.versions.at(-1)).filter((one) => one?.kind === 'approval');
  if (shown?.kind !== 'approval') throw new Error('No card is shown');
  return shown.card;
}

/** The calls as they stand there now, one message each or in a plan. */
function callsIn(kind: 'activity' | 'plan'): (ToolActivity | PlannedCall)[] {
  return platform.messages.flatMap(({ versions }): (ToolActivity | PlannedCall)[] => {
    const last = versions.at(-1);
    if (last?.kind !== kind) return [];
    return last.kind === 'plan' ? last.calls : [last.activity];
  });
}

function click(approval_id: string, name: string, over: { for_session?: boolean; decision?: 'deny' } = {}, at = place) {
  clicks += 1;
  const person = { id: `U_${name.toUpperCase()}`, name };
  const decision = {
    event_id: `c${clicks}`,
    conversation: at,
    person,
    approval_id,
    decision: 'allow' as const,
    ...over,
  };
  return stage.receiver({ connectors: new Map([['test', platform.connector()]]) }).decision(decision);
}

describe('a card', () => {
  it('names people and groups, and gives the platform whom to mention', async () => {
    await asked({ approvers: ['test:U_BEN', 'test:group:S1', 'web:dora'], quorum: 2, for_session: 'tool' });
    expect(card()).toMatchObject({
      approvers: 'Ben, @oncall, dora',
      mentions: [
        { kind: 'person', id: 'U_BEN' },
        { kind: 'group', id: 'S1' },
      ],
      quorum: 2,
      for_session: 'tool',
    });
  });

  it('shows who has approved so far, and at last all who did', async () => {
    const id = await asked({ quorum: 2 });
    expect(await click(id, 'Ana')).toEqual({
      effect: 'accepted',
      text: 'Your approval counts. 1 of 2 so far: 1 more person has to approve.',
    });
    const ana = { id: 'U_ANA', name: 'Ana' };
    await eventually(() => expect(card().state).toEqual({ status: 'pending', reminded: 0, approved_by: [ana] }));
    expect((await click(id, 'Ana')).effect).toBe('refused');
    await click(id, 'Ben');
    await eventually(() =>
      expect(card().state).toMatchObject({ status: 'allowed', approved_by: [ana, { id: 'U_BEN', name: 'Ben' }] }),
    );
  });

  it('reminds each time, and calls those who may decide', async () => {
    const id = await asked({ approvers: ['test:U_BEN', 'test:group:S1', 'other:U_X'] });
    const to = ['test:U_BEN', 'test:group:S1', 'other:U_X'];
    for (const count of [1, 2]) {
      await stage.append(ref, {
        type: 'deckhand.approval_reminded',
        approval_id: id,
        tool_use_id: 'sevt_x',
        count,
        ...(count === 2 && { to }),
      });
    }
    await eventually(() => expect(card().state).toMatchObject({ reminded: 2 }));
    const notices = () =>
      platform.messages.map((message) => message.versions.at(-1)).filter((one) => one?.kind === 'notice');
    await eventually(() => expect(notices()).toHaveLength(2));
    expect(notices()[0]).not.toHaveProperty('called');
    expect(notices()[1]).toMatchObject({
      markdown: 'A reminder: [the approval above](https://chat.test/m1) is still waiting.',
      called: [
        { name: 'Ben', mention: { kind: 'person', id: 'U_BEN' } },
        { name: '@oncall', mention: { kind: 'group', id: 'S1' } },
        { name: 'U_X' },
      ],
    });
  });

  it('that another gateway shows once more, from an earlier place, says the same', async () => {
    const id = await asked({ quorum: 2 });
    const { seq } = await stage.log.head(ref);
    await click(id, 'Ana');
    await stage.append(ref, { type: 'deckhand.approval_reminded', approval_id: id, tool_use_id: 'sevt_x' });
    await eventually(async () => expect(await stage.log.undelivered(1)).toEqual([]));
    const shown = () => platform.messages.map((message) => message.versions.at(-1));
    const before = shown();
    expect(card().state).toMatchObject({ reminded: 1, approved_by: [{ name: 'Ana' }] });

    await Promise.all(running.map((deliverer) => deliverer.stop()));
    await stage.db.collection('delivery_cursors').updateMany({}, { $set: { seq } });
    const edits = platform.calls.length;
    running = [stage.deliverer(platform, 'gateway_2')];
    stage.wake(ref);
    await eventually(() =>
      expect(platform.calls.slice(edits).filter((call) => call === 'edit notice')).toHaveLength(1),
    );
    expect(shown()).toEqual(before);
  });

  it('keeps that it holds for the session', async () => {
    const id = await asked({ for_session: 'arguments' });
    const receipt = await click(id, 'Ben', { for_session: true });
    expect(receipt.text).toBe(
      'Approved. Further calls with the same arguments run without asking for the rest of this session.',
    );
    await eventually(() => expect(card().state).toMatchObject({ status: 'allowed', for_session: 'arguments' }));
  });
});

describe('private details', () => {
  it('are in no post, whatever shows the call', async () => {
    platform.shows_activity = true;
    const { workspace_id } = stage.defaults;
    await stage.db
      .collection('sessions')
      .updateOne({ workspace_id }, { $set: { 'approval_policy.private_detail': true } });
    await asked({ private_detail: true }, { describe: (title, input) => ({ title, detail: JSON.stringify(input) }) });
    await eventually(() => expect(platform.messages).toHaveLength(2));
    expect(card()).toMatchObject({ summary: 'Use the tool bash.', detail: '', private_detail: true });
    expect(JSON.stringify(platform.messages)).not.toContain('rm -rf');
    expect(JSON.stringify(platform.messages)).not.toContain('deletes files');
  });

  it.each(['activity', 'plan'] as const)('nor is what a call printed, or why it failed (%s)', async (kind) => {
    platform.shows_activity = kind === 'activity';
    if (kind === 'plan') platform.limits.plan_size = 5;
    const { workspace_id } = stage.defaults;
    await stage.db
      .collection('sessions')
      .updateOne({ workspace_id }, { $set: { 'approval_policy.private_detail': true } });
    running.push(stage.deliverer(platform));
    await stage.append(ref, uses('sevt_run'));
    await eventually(() => expect(callsIn(kind)).toMatchObject([{ status: 'running', detail: '', output: '' }]));
    await stage.preview(ref, { type: 'tool_output', tool_use_id: 'sevt_run', text: 'reading /srv/secret' });
    const why = 'cp: /srv/secret: no such file';
    await stage.append(ref, returns('sevt_run', why, true), uses('sevt_well'), returns('sevt_well', why), ends());
    await eventually(async () => expect(await stage.log.undelivered(1)).toEqual([]));
    expect(callsIn(kind)).toMatchObject([
      { status: 'failed', detail: '', output: '' },
      { status: 'done', detail: '', output: '' },
    ]);
    expect(JSON.stringify(platform.messages)).not.toContain('/srv/secret');
  });
});

describe('a click of somebody in a group', () => {
  it('counts when the platform says that they are in it', async () => {
    const id = await asked({ approvers: ['test:group:S1'] });
    expect(await click(id, 'Cara')).toEqual({ effect: 'accepted', text: 'Approved.' });
  });

  it.each([
    ['they are not', () => undefined],
    ['the platform does not know the group', () => platform.groups.clear()],
  ])('does not count when %s, and names who may', async (_when, change) => {
    const id = await asked({ approvers: ['test:group:S1', 'test:U_BEN'] });
    change();
    const name = platform.groups.size === 0 ? 'S1' : 'oncall';
    expect(await click(id, 'Eve')).toEqual({
      effect: 'refused',
      text: `You may not decide this. Who may: @${name}, Ben.`,
    });
    expect(await stage.entries('user.tool_confirmation')).toEqual([]);
  });
});

describe('a question for people who are named', () => {
  it('says in the conversation who could not be asked, on this platform and on another', async () => {
    await asked({ approvers: ['test:U_BEN', 'web:dora'] });
    await eventually(() =>
      expect(card().elsewhere).toEqual({
        asked: [],
        not_asked: [
          { name: 'Ben', why: 'nobody_there' },
          { name: 'dora', why: 'web reaches nobody outside of a conversation' },
        ],
        left_out: 0,
      }),
    );
  });

  it('counts the members of a group who are too many to be written to', async () => {
    platform.leftOut = 3;
    platform.places.set('S1', [{ connector: 'test', tenant: 'T1', channel: 'D_U_CARA', thread: 'D_U_CARA' }]);
    await asked({ approvers: ['test:group:S1'] });
    await eventually(() => expect(card().elsewhere).toEqual({ asked: ['@oncall'], not_asked: [], left_out: 3 }));
  });

  it('says nothing of those who are there', async () => {
    platform.present.add('U_BEN');
    platform.places.set('U_BEN', [{ connector: 'test', tenant: 'T1', channel: 'D_U_BEN', thread: 'D_U_BEN' }]);
    await asked({ approvers: ['test:U_BEN'] });
    await eventually(async () => expect(await stage.log.undelivered(1)).toEqual([]));
    expect(card()).not.toHaveProperty('elsewhere');
    expect(platform.messages).toHaveLength(1);
  });
});

describe('an escalated question', () => {
  const there = { connector: 'test', tenant: 'T1', channel: 'D_BEN', thread: 'D_BEN' };
  async function escalated(): Promise<string> {
    const id = await asked({ escalate_after_ms: HOUR, escalate_to: ['test:U_BEN', 'test:group:S1'] });
    stage.clock.now += HOUR;
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    await timers.runNow();
    return id;
  }

  async function steps(): Promise<number[]> {
    return (await stage.entries('deckhand.approval_escalated')).map(({ event }) => event.step);
  }

  function cardsAt(channel: string): ApprovalCard[] {
    const shown = platform.messages.filter((message) => message.at.channel === channel);
    return shown.flatMap(({ versions }) => {
      const last = versions.at(-1);
      return last?.kind === 'approval' ? [last.card] : [];
    });
  }

  it('is shown where the person is, with the way back, and said in the thread', async () => {
    platform.places.set('U_BEN', [there]);
    await escalated();
    await eventually(() => expect(platform.texts()).toHaveLength(3));
    const about = { link: 'https://chat.test/m1', channel: place.channel };
    const approvers = 'members in the conversation where it was asked';
    expect(cardsAt('D_BEN')).toMatchObject([{ about, approvers, state: { escalated: 1 } }]);
    expect(card().approvers).toBe('members in this conversation');
    expect(card().state).toEqual({ status: 'pending', reminded: 0, escalated: 1 });
    expect(platform.texts()[2]).toBe(
      '(i) Nobody has decided about the approval above yet, so I have asked Ben as well.',
    );
  });

  it('says in the thread how many of a large group were not written to', async () => {
    platform.places.set('U_BEN', [there]);
    platform.leftOut = 3;
    await escalated();
    await eventually(() =>
      expect(platform.texts().at(-1)).toMatch(
        /I have asked Ben as well\. That is a large group: 3 more of it have no message of mine; .* `\/approvals`\.$/,
      ),
    );
  });

  it('is decided there, and every card says so', async () => {
    platform.places.set('U_BEN', [there]);
    const id = await escalated();
    await eventually(() => expect(cardsAt('D_BEN')).toHaveLength(1));
    expect((await click(id, 'Eve', {}, there)).effect).toBe('refused');
    expect(await click(id, 'Ben', {}, there)).toEqual({ effect: 'accepted', text: 'Approved.' });
    const state = { status: 'allowed', by: { id: 'U_BEN', name: 'Ben' } };
    await eventually(() => {
      for (const channel of ['D_BEN', place.channel]) expect(cardsAt(channel)).toMatchObject([{ state }]);
    });
  });

  it('is asked again of nobody by a gateway that goes on after another', async () => {
    platform.places.set('U_BEN', [there]);
    platform.faults.push({ kind: 'died', after: true });
    platform.faults.unshift({ kind: 'slow', until: Promise.resolve() });
    await escalated();
    await eventually(() => expect(platform.messages).toHaveLength(2));
    await Promise.all(running.map((deliverer) => deliverer.stop()));
    running = [stage.deliverer(platform, 'gateway_2')];
    stage.wake(ref);
    await eventually(() => expect(platform.texts()).toHaveLength(3));
    expect(cardsAt('D_BEN')).toHaveLength(1);
  });

  it('says in the thread that nobody could be reached, asks the next at once, and those behind in their time', async () => {
    const cara = { ...there, channel: 'D_U_CARA', thread: 'D_U_CARA' };
    platform.places.set('S1', [cara]);
    const id = await asked({
      escalate_after_ms: HOUR,
      escalate_to: ['test:U_BEN', 'test:group:S1', 'test:channel:C_OPS', 'test:U_DORA'],
    });
    const begin = stage.clock.now;
    const due = () => card().escalations?.map(({ at }) => (Date.parse(at) - begin) / HOUR);
    expect(due()).toEqual([1, 2, 3, 4]);
    stage.clock.now += HOUR;
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    await timers.runNow();
    await eventually(() =>
      expect(platform.texts().at(-1)).toBe(
        '(i) Nobody has decided about the approval above yet, and I could not ask Ben: nobody_there. I ask @oncall instead.',
      ),
    );
    expect(due()).toEqual([1, 1, 2, 3]);
    await timers.runNow();
    await eventually(() => expect(cardsAt('D_U_CARA')).toHaveLength(1));
    await timers.runNow();
    stage.clock.now += HOUR - 1;
    await timers.runNow();
    expect(await steps()).toEqual([1, 2]);
    stage.clock.now += 1;
    await timers.runNow();
    expect(await steps()).toEqual([1, 2, 3]);
    expect((await stage.approvals.find(stage.defaults.workspace_id, id))?.unreached?.[0]).toBe(1);
  });

  it('asks the next at once, also when its gateway dies before it says that nobody was reached', async () => {
    const cara = { ...there, channel: 'D_U_CARA', thread: 'D_U_CARA' };
    platform.places.set('S1', [cara]);
    await escalated();
    await eventually(() => expect(platform.texts().at(-1)).toContain('I ask @oncall instead.'));
    const { seq } = await stage.log.head(ref);
    await Promise.all(running.map((deliverer) => deliverer.stop()));
    await stage.db.collection('delivery_cursors').updateMany({}, { $set: { seq: seq - 1 } });
    running = [stage.deliverer(platform, 'gateway_2')];
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    await timers.runNow();
    await eventually(() => expect(cardsAt('D_U_CARA')).toHaveLength(1));
    await timers.runNow();
    expect(await steps()).toEqual([1, 2]);
  });
});

describe('a guest', () => {
  beforeEach(() => {
    platform.guests.add('U_GUS');
  });

  it('may not decide where anyone may', async () => {
    const id = await asked({});
    expect(await click(id, 'Gus')).toEqual({ effect: 'refused', text: 'Guests may not decide this.' });
    expect((await click(id, 'Ana')).effect).toBe('accepted');
  });

  it('is told so, and a member that nobody knows just now is not taken for one', async () => {
    const id = await asked({});
    platform.failGuests = 100;
    const { effect, text } = await click(id, 'Ben');
    platform.failGuests = 0;
    expect([effect, text]).toEqual(['refused', expect.stringContaining('does not say just now')]);
    expect((await click(id, 'Ben')).effect).toBe('accepted');
  });

  it('may when they are named', async () => {
    const id = await asked({ approvers: ['test:U_GUS'] });
    expect((await click(id, 'Gus')).effect).toBe('accepted');
  });

  it('may not for being in a group that may', async () => {
    platform.groups.set('S1', { name: 'oncall', people: ['U_GUS'] });
    const id = await asked({ approvers: ['test:group:S1'] });
    expect(await click(id, 'Gus')).toEqual({
      effect: 'refused',
      text: 'You may not decide this. Who may: @oncall.',
    });
  });

  it.each([
    ['anyone may', []],
    ['others are named', ['test:U_BEN']],
  ])('may not for being in a channel that is asked besides, where %s', async (_where, approvers) => {
    const there = { ...place, channel: 'C_OPS', thread: '200.1' };
    const id = await asked({ approvers, escalate_after_ms: HOUR, escalate_to: ['test:channel:C_OPS', 'test:U_EVE'] });
    stage.clock.now += HOUR;
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    await timers.runNow();
    expect((await click(id, 'Gus', {}, there)).effect).toBe('refused');
    expect(await stage.entries('user.tool_confirmation')).toEqual([]);
    expect((await click(id, 'Cara', {}, there)).effect).toBe('accepted');
  });

  it('is who an admin says is one', async () => {
    const roles = createRoles(stage.db, []);
    await roles.give(stage.defaults.workspace_id, 'test:U_GUS', 'member');
    await roles.give(stage.defaults.workspace_id, 'test:U_ANA', 'guest');
    const id = await asked({});
    expect((await click(id, 'Ana')).effect).toBe('refused');
    expect((await click(id, 'Gus')).effect).toBe('accepted');
  });
});
