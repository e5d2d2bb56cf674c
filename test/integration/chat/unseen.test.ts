import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { ApprovalPolicy } from '../../../src/session/event.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { ends, asks as questions, says } from '../../support/chat-events.ts';
import { type NewEvent, place } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
let platform: Platform;
let running: Deliverer[];
let ref: SessionRef;

const direct = { ...place, channel: 'D_ANA', thread: 'D_ANA' };

/** The channel of the conversation takes nothing any more. */
beforeEach(async () => {
  platform = createPlatform();
  platform.closed.set(place.channel, 'is_archived');
  platform.places.set('U_ANA', [direct]);
  running = [];
  ref = await stage.session();
});

afterEach(async () => {
  await Promise.all(running.map((deliverer) => deliverer.stop()));
});

function gateway(name = 'gateway_1'): Deliverer {
  const deliverer = stage.deliverer(platform, name);
  running.push(deliverer);
  return deliverer;
}

function asks(via = 'test'): NewEvent {
  return {
    type: 'user.message',
    content: [{ type: 'text', text: 'go' }],
    from: { via, id: 'U_ANA', name: 'Ana' },
  };
}

async function atRest(): Promise<void> {
  await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
}

async function notes(): Promise<string[]> {
  return (await stage.entries('deckhand.note')).map(({ event }) => event.text);
}

const told = () => platform.messages.map(({ at, versions }) => [at.channel, versions.at(-1)]);
const TOLD = 'The chat platform takes no message in the conversation (is_archived). Ana was told directly.';

describe('a conversation in which nothing can be posted', () => {
  it('is told of directly, once for what was asked, to whoever asked, and noted in the log', async () => {
    gateway();
    await stage.append(ref, asks(), says('one'), says('two'), ends());
    await atRest();
    expect(told()).toEqual([['D_ANA', expect.objectContaining({ kind: 'notice', level: 'error' })]]);
    expect(platform.texts()[0]).toMatch(/I may not post .*: is_archived\. .* log of its session, sesn_/);
    expect(await notes()).toEqual([TOLD]);
    await stage.append(ref, asks(), says('three'), ends());
    await atRest();
    expect(told()).toHaveLength(2);
  });

  it.each([true, false])('is told of once although its gateway died telling it (it stands: %s)', async (after) => {
    platform.faults.push({ kind: 'died', after });
    const first = gateway('gateway_1');
    await stage.append(ref, asks(), says('one'), ends());
    await eventually(() => expect(platform.faults).toEqual([]));
    await first.stop();
    await gateway('gateway_2').sweepNow();
    await atRest();
    expect(told()).toHaveLength(1);
    expect(await notes()).toEqual([TOLD]);
  });

  it('is noted where nobody can be told', async () => {
    platform.places.clear();
    gateway();
    await stage.append(ref, asks(), says('one'), ends());
    await atRest();
    expect(platform.messages).toEqual([]);
    expect(await notes()).toEqual([
      'The chat platform takes no message in the conversation (is_archived). Nobody could be told.',
    ]);
  });

  it('holds nothing up where nobody asked in chat', async () => {
    gateway();
    await stage.append(ref, asks('api'), says('one'), ends());
    await atRest();
    expect(platform.messages).toEqual([]);
    expect(await notes()).toEqual([
      'The chat platform takes no message in the conversation (is_archived). Nobody could be told.',
    ]);
  });
});

describe('a question that its conversation does not take', () => {
  const HOUR = 3_600_000;
  const ben = { ...place, channel: 'D_BEN', thread: 'D_BEN' };
  const ops = { ...place, channel: 'C_OPS', thread: '7.1' };
  const WAITS =
    'I need an approval to go on there, and it waits: `/approvals` shows it to those who may decide. What else I have to say stands only in the log of its session';

  beforeEach(() => {
    platform.names.set('U_BEN', 'Ben');
    platform.places.set('U_BEN', [ben]);
    platform.places.set('C_OPS', [ops]);
  });

  async function asked(policy: Partial<ApprovalPolicy>): Promise<string> {
    const tool_use_id = newId('sevt');
    const approval_id = derivedId('appr', tool_use_id);
    gateway();
    await stage.append(ref, asks(), ...questions(approval_id, tool_use_id, policy));
    await stage.approvals.record(ref, await stage.log.read(ref));
    await atRest();
    return approval_id;
  }

  function cardsAt(channel: string) {
    const last = platform.messages.filter(({ at }) => at.channel === channel).map(({ versions }) => versions.at(-1));
    return last.flatMap((one) => (one?.kind === 'approval' ? [one.card] : []));
  }

  it('is told of to whoever asked for the work, with what is to be done', async () => {
    await asked({});
    expect(told()).toEqual([['D_ANA', expect.objectContaining({ kind: 'notice', level: 'error' })]]);
    expect(platform.texts()[0]).toContain(WAITS);
    expect(await notes()).toEqual([TOLD]);
    await stage.append(ref, says('one'), ends());
    await atRest();
    expect(told()).toHaveLength(1);
  });

  it('is told of also where something else was not taken before it', async () => {
    gateway();
    await stage.append(ref, asks(), says('one'), ends());
    await atRest();
    const tool_use_id = newId('sevt');
    await stage.append(ref, ...questions(derivedId('appr', tool_use_id), tool_use_id));
    await atRest();
    expect(platform.texts()).toHaveLength(2);
    expect(platform.texts()[1]).toContain(WAITS);
  });

  it('is asked of the next all the same, where they are, without a way back, and says what became of it', async () => {
    const id = await asked({ escalate_after_ms: HOUR, escalate_to: ['test:U_BEN', 'test:channel:C_OPS'] });
    await using timers = stage.approvals.startTimers(HOUR, 5_000);
    stage.clock.now += HOUR;
    await timers.runNow();
    await eventually(() =>
      expect(cardsAt('D_BEN')).toMatchObject([{ about: { link: null }, state: { escalated: 1 } }]),
    );
    await stage.append(ref, { type: 'deckhand.approval_reminded', approval_id: id, tool_use_id: 'sevt_x', count: 1 });
    stage.clock.now += HOUR;
    await timers.runNow();
    await eventually(() =>
      expect(cardsAt('C_OPS')).toMatchObject([{ about: { link: null }, state: { escalated: 2, reminded: 1 } }]),
    );
    const person = { id: 'U_BEN', name: 'Ben' };
    const press = { event_id: 'c1', conversation: ben, person, approval_id: id, decision: 'allow' as const };
    const receiver = stage.receiver({ connectors: new Map([['test', platform.connector()]]) });
    expect((await receiver.decision(press)).text).toBe('Approved.');
    await eventually(() => {
      for (const channel of ['D_BEN', 'C_OPS'])
        expect(cardsAt(channel)).toMatchObject([{ state: { status: 'allowed' } }]);
    });
  });

  it('is said to wait where the conversation takes words and no card', async () => {
    platform.closed.clear();
    platform.faults.push({ kind: 'refused', reason: 'invalid_blocks' });
    await asked({});
    expect(platform.texts()).toEqual([
      '(!) I ask for an approval, and this chat does not take its card (invalid_blocks). It waits: `/approvals` shows it to those who may decide.',
    ]);
  });
});
