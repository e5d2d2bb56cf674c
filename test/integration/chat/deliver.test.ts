import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import { createCursorStore } from '../../../src/chat/delivery-cursor.ts';
import { createDeliveryStore, forgetDeliveries } from '../../../src/chat/delivery-store.ts';
import { asks, decided, ends, errs, says, uses } from '../../support/chat-events.ts';
import { type ChatStage, place } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Fault, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const ana = { via: 'test', id: 'U_ANA', name: 'Ana' };

const stage = useChatStage();
let platform: Platform;
let running: Deliverer[];

beforeEach(() => {
  platform = createPlatform();
  running = [];
});

afterEach(async () => {
  await Promise.all(running.map((deliverer) => deliverer.stop()));
});

function gateway(name = 'gateway_1', over: Parameters<ChatStage['deliverer']>[2] = {}): Deliverer {
  const deliverer = stage.deliverer(platform, name, over);
  running.push(deliverer);
  return deliverer;
}

async function shows(texts: unknown[]): Promise<void> {
  await eventually(() => expect(platform.texts()).toEqual(texts));
}

/** Everything that is in the log has been shown, and nothing is under way. */
async function atRest(): Promise<void> {
  await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
}

describe('a gateway that was stopped for longer than its lease', () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it('posts nothing of what it was about to post', async () => {
    const now = performance.now.bind(performance);
    const store = createDeliveryStore(stage.db);
    let slept = false;
    const sleepy = {
      ...store,
      async claim(delivery: Parameters<typeof store.claim>[0]) {
        const claimed = await store.claim(delivery);
        if (!slept) vi.spyOn(performance, 'now').mockImplementation(() => now() + 61_000);
        slept = true;
        return claimed;
      },
    };
    const ref = await stage.session();
    gateway('gateway_1', { store: sleepy });
    await stage.append(ref, says('Said once.'), ends());
    await eventually(() => expect(slept).toBe(true));
    expect(platform.messages).toEqual([]);
    await gateway('gateway_2').sweepNow();
    await shows(['Said once.']);
    await atRest();
    expect(platform.calls).toEqual(['find', 'post text', 'status resting']);
  });
});

describe('a run', () => {
  it('is shown in order, in one conversation, without what is nobody’s business', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, { type: 'session.status_running' }, says('I will look.'), uses('sevt_c1'));
    await stage.append(
      ref,
      { type: 'agent.tool_result', tool_use_id: 'sevt_c1', content: [{ type: 'text', text: 'a b' }], is_error: false },
      says('There are two files.'),
      ends(),
    );
    await shows(['I will look.', 'There are two files.']);
    await atRest();
    expect(platform.calls.filter((call) => call.startsWith('status'))).toEqual([
      'status Thinking…',
      'status Use bash',
      'status Thinking…',
      'status resting',
    ]);
  });

  it('shows its tool calls where the platform shows them', async () => {
    platform.shows_activity = true;
    gateway();
    const ref = await stage.session();
    await stage.append(ref, uses('sevt_c1'), uses('sevt_c2'));
    await shows(['<running> Use bash', '<running> Use bash']);
    await stage.append(
      ref,
      { type: 'agent.tool_result', tool_use_id: 'sevt_c2', content: [{ type: 'text', text: 'no' }], is_error: true },
      {
        type: 'agent.tool_result',
        tool_use_id: 'sevt_c1',
        content: [{ type: 'text', text: 'y'.repeat(5_000) }],
        is_error: false,
      },
    );
    await shows([`<done> Use bash ${'y'.repeat(4_000)}\n… (1000 more characters)`, '<failed> Use bash no']);
  });

  it.each([
    ['in silence', [ends()], '(i) Done; there is nothing to add.'],
    [
      'at a budget',
      [ends({ type: 'budget_reached' })],
      expect.stringMatching(/^\(!\) .*budget is used up.*`\/sessions budget sesn_\w+ <dollars>`/),
    ],
    ['in a refusal', [ends({ type: 'refusal' })], '(!) I cannot help with that.'],
    ['in retries', [ends({ type: 'retries_exhausted' })], '(!) I gave up after several failures.'],
    [
      'in an error',
      [errs('The key is wrong.', 'terminal'), ends({ type: 'retries_exhausted' })],
      '(!) The key is wrong.',
    ],
    ['by a person', [{ type: 'user.interrupt', from: ana } as const, ends()], '(i) Stopped by Ana.'],
  ])('that ends %s says so', async (_how, events, words) => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, { type: 'user.message', content: [{ type: 'text', text: 'go' }], from: ana }, ...events);
    await shows([words]);
    await atRest();
  });

  it('that tries again shows it as a status only', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, errs('The model is overloaded.', 'retrying'), says('Here it is.'), ends());
    await shows(['Here it is.']);
    expect(platform.calls).toContain('status The model is overloaded. Trying again…');
  });

  it('keeps a status alive that platforms forget', async () => {
    gateway('gateway_1', { timings: { lease_ms: 60_000, sweep_ms: 5, retry_ms: 1, status_ms: 1 } });
    const ref = await stage.session();
    await stage.append(ref, { type: 'session.status_running' });
    await eventually(() =>
      expect(platform.calls.filter((call) => call === 'status Thinking…').length).toBeGreaterThan(2),
    );
  });

  it('says whether it works, asks or rests, and what it is called', async () => {
    gateway();
    const ref = await stage.session();
    await stage.sessions.update(ref, { title: 'Clean up' });
    await stage.append(ref, { type: 'session.status_running' }, ...asks('appr_1', 'sevt_c1'));
    await eventually(() => expect(platform.statuses.at(-1)).toMatchObject({ state: 'asking', title: 'Clean up' }));
    await stage.append(ref, { type: 'session.status_running' }, says('Done.'), ends());
    await eventually(() => expect(platform.statuses.at(-1)).toEqual({ state: 'resting', title: 'Clean up' }));
  });

  it('sees to it that its last status is shown, though the platform fails for a while', async () => {
    platform.failStatuses = 3;
    gateway();
    const ref = await stage.session();
    await stage.append(ref, says('Done.'), ends());
    await eventually(() => expect(platform.statuses).toEqual([{ state: 'resting' }]));
    await atRest();
  });

  it('sees to it that its last status is shown, though the gateway that tried stops', async () => {
    platform.failStatuses = 1_000;
    const first = gateway('gateway_1', { timings: { lease_ms: 60_000, sweep_ms: 5, retry_ms: 60_000 } });
    const ref = await stage.session();
    await stage.append(ref, says('Done.'), ends());
    await eventually(() => expect(platform.calls).toContain('status resting'));
    await first.stop();
    platform.failStatuses = 0;
    await gateway('gateway_2').sweepNow();
    await eventually(() => expect(platform.statuses).toEqual([{ state: 'resting' }]));
    await atRest();
  });

  it('ends where it is shown when its session is archived', async () => {
    const deliverer = gateway();
    const ref = await stage.session();
    await stage.append(ref, says('Done.'), ends());
    await atRest();
    await stage.sessions.archive(ref);
    await eventually(() => {
      deliverer.wake({ ...ref, lane: 'lane' });
      expect(platform.statuses.at(-1)).toEqual({ state: 'ended' });
    });
  });

  it('without a conversation is not looked at', async () => {
    const { agent_id, environment_id, workspace_id } = stage.defaults;
    const { _id } = await stage.sessions.create(workspace_id, { agent: agent_id, environment_id });
    await stage.append({ workspace_id, session_id: _id }, says('for the API'), ends());
    expect(await gateway().sweepNow()).toBe(0);
  });

  it('whose conversation is unknown is shown nowhere and not looked at again', async () => {
    const { agent_id, environment_id, workspace_id } = stage.defaults;
    const agent = { agent: agent_id, environment_id };
    const { _id } = await stage.sessions.create(workspace_id, agent, { conversation_id: 'conv_gone' });
    await stage.append({ workspace_id, session_id: _id }, says('for nobody'), ends());
    const deliverer = gateway();
    expect(await deliverer.sweepNow()).toBe(1);
    await atRest();
    expect(await deliverer.sweepNow()).toBe(0);
    expect(platform.calls).toEqual([]);
  });
});

describe('long text', () => {
  it('comes in parts, in order', async () => {
    platform.limits.text = 100;
    gateway();
    const ref = await stage.session();
    const paragraph = `${'word '.repeat(15).trim()}.`;
    await stage.append(ref, says([paragraph, paragraph, paragraph].join('\n\n')), ends());
    await shows([`${paragraph}\n\n`, `${paragraph}\n\n`, paragraph]);
  });
});

describe('an approval', () => {
  it('is a card that shows what was decided and by whom', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, ...asks('appr_1', 'sevt_c1'));
    await shows(['[pending] Run a command that deletes files (rm)']);
    await stage.append(ref, decided('appr_1', 'sevt_c1', 'allowed', ana));
    await shows(['[allowed by Ana] Run a command that deletes files (rm)']);
    await atRest();
    expect(platform.messages).toHaveLength(1);
  });

  it.each(['expired', 'withdrawn'] as const)('that is %s says so', async (outcome) => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, ...asks('appr_1', 'sevt_c1'), decided('appr_1', 'sevt_c1', outcome, null));
    await shows([`[${outcome}] Run a command that deletes files (rm)`]);
  });

  it('that is reminded of stays one card, with a notice below', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, ...asks('appr_1', 'sevt_c1'));
    await stage.append(ref, { type: 'deckhand.approval_reminded', approval_id: 'appr_1', tool_use_id: 'sevt_c1' });
    await shows(['[pending] Run a command that deletes files (rm)', expect.stringMatching(/^\(i\) A reminder/)]);
    expect(platform.messages[0]?.versions.at(-1)).toMatchObject({ card: { state: { reminded: 1 } } });
  });

  it('keeps who decided through whatever comes later', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, ...asks('appr_1', 'sevt_c1'), ...asks('appr_2', 'sevt_c2'));
    await stage.append(ref, decided('appr_1', 'sevt_c1', 'denied', ana));
    await stage.append(ref, decided('appr_2', 'sevt_c2', 'allowed', ana), says('Done.'), ends());
    await shows([
      '[denied by Ana] Run a command that deletes files (rm)',
      '[allowed by Ana] Run a command that deletes files (rm)',
      'Done.',
    ]);
  });
});

describe('exactly once', () => {
  it.each<[string, Fault[]]>([
    ['a lost answer', [{ kind: 'lost' }]],
    ['a platform that is away', [{ kind: 'failed' }, { kind: 'failed' }, { kind: 'failed' }]],
    ['a rate limit', [{ kind: 'rate_limited', retry_after_ms: 1 }]],
    ['all of it', [{ kind: 'failed' }, { kind: 'rate_limited', retry_after_ms: 1 }, { kind: 'lost' }]],
  ])('a message is posted despite %s', async (_what, faults) => {
    platform.faults.push(...faults);
    gateway();
    const ref = await stage.session();
    await stage.append(ref, says('one'), says('two'), ends());
    await shows(['one', 'two']);
    await atRest();
    expect(platform.messages).toHaveLength(2);
  });

  it.each([true, false])('a message is posted although its gateway died (after the post: %s)', async (after) => {
    platform.faults.push({ kind: 'died', after });
    const dying = gateway('gateway_1');
    const ref = await stage.session();
    await stage.append(ref, says('one'), says('two'), ends());
    await eventually(() => expect(platform.calls).toContain('post text'));
    await dying.stop();
    await gateway('gateway_2').sweepNow();
    await shows(['one', 'two']);
    await atRest();
    expect(platform.messages).toHaveLength(2);
  });

  it.each<[string, Fault]>([
    ['its answer was lost', { kind: 'lost' }],
    ['its gateway died', { kind: 'died', after: true }],
  ])('a message is looked for from its claim on when %s', async (_why, fault) => {
    platform.faults.push(fault);
    const connector = platform.connector();
    const find = vi.spyOn(connector, 'find');
    const connectors = new Map([['test', connector]]);
    const first = gateway('gateway_1', { connectors });
    const ref = await stage.session();
    await stage.append(ref, says('one'), ends());
    await eventually(() => expect(platform.messages).toHaveLength(1));
    if (fault.kind === 'died') await first.stop();
    await gateway('gateway_2', { connectors }).sweepNow();
    await atRest();
    const [delivery] = await stage.db.collection('deliveries').find({ session_id: ref.session_id }).toArray();
    expect(find.mock.calls.map(([, , , since]) => since)).toEqual([delivery?.['claimed_at']]);
  });

  it('a session is shown by one of two gateways', async () => {
    gateway('gateway_1');
    gateway('gateway_2');
    const ref = await stage.session();
    for (let n = 1; n <= 10; n++) await stage.append(ref, says(`message ${n}`));
    await stage.append(ref, ends());
    await shows(Array.from({ length: 10 }, (_, n) => `message ${n + 1}`));
  });

  it('a session goes to another gateway when the lease of a silent one runs out', async () => {
    platform.faults.push({ kind: 'died', after: true });
    const stuck = { lease_ms: 2_000, sweep_ms: 60_000, retry_ms: 1, drain_ms: 1 };
    const cursors = createCursorStore(stage.db);
    gateway('gateway_1', { timings: stuck, cursors: { ...cursors, renew: () => Promise.reject(new Error('away')) } });
    const ref = await stage.session();
    await stage.append(ref, says('one'), ends());
    await eventually(() => expect(platform.messages).toHaveLength(1));
    const next = gateway('gateway_2');
    await eventually(async () => {
      await next.sweepNow();
      expect(await stage.log.undelivered(10)).toEqual([]);
    });
    expect(platform.texts()).toEqual(['one']);
  });

  it('a post that is under way when its gateway stops is finished', async () => {
    let answer: () => void = () => undefined;
    const until = new Promise<void>((resolve) => {
      answer = resolve;
    });
    platform.faults.push({ kind: 'slow', until });
    const timings = { lease_ms: 60_000, sweep_ms: 60_000, retry_ms: 1, drain_ms: 60_000 };
    const leaving = gateway('gateway_1', { timings });
    const ref = await stage.session();
    await stage.append(ref, says('one'), says('two'), ends());
    await eventually(() => expect(platform.calls).toContain('post text'));
    const stopped = leaving.stop();
    answer();
    await stopped;
    expect(platform.texts()).toEqual(['one']);
    await gateway('gateway_2').sweepNow();
    await shows(['one', 'two']);
    expect(platform.calls.filter((call) => call !== 'status resting')).toEqual(['post text', 'post text']);
  });

  it('a conversation whose platform does not answer holds up no other', async () => {
    platform.faults.push({ kind: 'died', after: false });
    gateway();
    const [busy, other] = [await stage.session(), await stage.session('200.1')];
    await stage.append(busy, says('one'));
    await eventually(() => expect(platform.calls).toContain('post text'));
    await stage.append(other, says('elsewhere'), ends());
    await shows(['elsewhere']);
  });

  it('nothing is shown again after a restart', async () => {
    const first = gateway('gateway_1');
    const ref = await stage.session();
    await stage.append(ref, says('one'), ends());
    await shows(['one']);
    await atRest();
    await first.stop();
    const calls = platform.calls.length;
    const second = gateway('gateway_2');
    second.wake({ ...ref, lane: '' });
    await stage.append(ref, says('two'), ends());
    await shows(['one', 'two']);
    expect(platform.calls.slice(calls)).not.toContain('edit text');
  });

  it('what was appended while nobody was there is found by the sweep', async () => {
    const ref = await stage.session();
    await stage.append(ref, says('one'), ends());
    await gateway().sweepNow();
    await shows(['one']);
  });
});

describe('whatever goes wrong', () => {
  const FAULTS: Fault[] = [
    { kind: 'lost' },
    { kind: 'failed' },
    { kind: 'rate_limited', retry_after_ms: 1 },
    { kind: 'died', after: true },
    { kind: 'died', after: false },
  ];

  it.each([1, 2, 3, 4])('every message stands there once and in order (%s)', async (seed) => {
    // A small generator, so that a seed always tells the same story.
    let state = seed * 7_919;
    const random = (below: number) => {
      state = (state * 48_271) % 2_147_483_647;
      return state % below;
    };
    const ref = await stage.session();
    const expected: string[] = [];
    let current = gateway('gateway_0');
    for (let n = 1; n <= 15; n++) {
      const fault = FAULTS[random(FAULTS.length * 2)];
      if (fault !== undefined) platform.faults.push(fault);
      await stage.append(ref, says(`message ${n}`));
      expected.push(`message ${n}`);
      if (random(3) === 0) {
        await current.stop();
        current = gateway(`gateway_${n}`);
        await current.sweepNow();
      }
    }
    await stage.append(ref, ends());
    // What hangs in a call that never ends is given up by stopping its gateway.
    await eventually(async () => {
      if (platform.texts().length < expected.length) {
        await current.stop();
        current = gateway(`gateway_${running.length}`);
        await current.sweepNow();
        await eventually(() => expect(platform.texts()).toEqual(expected), 200);
      }
      expect(platform.texts()).toEqual(expected);
    }, 15_000);
  });
});

describe('a platform that refuses', () => {
  it('a message is told so in words, and the rest goes on', async () => {
    platform.faults.push({ kind: 'refused', reason: 'msg_too_long' });
    gateway();
    const ref = await stage.session();
    await stage.append(ref, says('one'), says('two'), ends());
    await shows(['(!) I have something to show that this chat does not take (msg_too_long).', 'two']);
    await atRest();
  });

  it('even the words holds nothing up', async () => {
    platform.faults.push({ kind: 'refused', reason: 'no' }, { kind: 'refused', reason: 'no' });
    gateway();
    const ref = await stage.session();
    await stage.append(ref, says('one'), says('two'), ends());
    await shows(['two']);
    await atRest();
  });

  it('an edit, because somebody deleted the message, gets it anew', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, ...asks('appr_1', 'sevt_c1'));
    await shows(['[pending] Run a command that deletes files (rm)']);
    platform.messages.splice(0, 1, { at: place, ref: 'gone', versions: [] });
    await stage.append(ref, decided('appr_1', 'sevt_c1', 'allowed', ana));
    await shows(['', '[allowed by Ana] Run a command that deletes files (rm)']);
  });
});

it('speaks only where the session lives', async () => {
  gateway();
  const ref = await stage.session();
  await stage.append(ref, says('one'), ends());
  await shows(['one']);
  const stored = await stage.db.collection('deliveries').find().toArray();
  expect(stored.map((one) => one['conversation'])).toEqual([place]);
});

it('keeps nothing of a session that was deleted', async () => {
  gateway();
  const ref = await stage.session();
  await stage.append(ref, says('a secret plan'), ends());
  await shows(['a secret plan']);
  await atRest();
  await forgetDeliveries(stage.db, ref.session_id);
  expect(await stage.db.collection('deliveries').countDocuments({})).toBe(0);
  expect(await stage.db.collection('delivery_cursors').countDocuments({})).toBe(0);
});
