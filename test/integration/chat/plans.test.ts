import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import { asks, decided, ends, returns, says, uses } from '../../support/chat-events.ts';
import { type ChatStage } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const ana = { via: 'test', id: 'U_ANA', name: 'Ana' };

const stage = useChatStage();
let platform: Platform;
let running: Deliverer[];

beforeEach(() => {
  platform = createPlatform();
  platform.limits.plan_size = 3;
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

async function atRest(): Promise<void> {
  await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
}

describe('the calls of a run, where a platform shows them together', () => {
  it('stand in one message above the answer, and say how they end', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, uses('sevt_c1'), uses('sevt_c2'));
    await shows(['<running> Use bash, <running> Use bash']);
    await stage.append(ref, returns('sevt_c2', 'No such file', true), says('I try again.'), returns('sevt_c1'));
    await shows(['<done> Use bash, <failed> Use bash No such file', 'I try again.']);
    await stage.append(ref, uses('sevt_c3'), returns('sevt_c3'), says('Found it.'), ends());
    const calls = '<done> Use bash, <failed> Use bash No such file, <done> Use bash';
    await shows([calls, 'I try again.', 'Found it.']);
    await atRest();
    expect(platform.messages[0]?.versions.at(-1)).toMatchObject({ kind: 'plan', live: false, over: true });
  });

  it('go on in another message when one is full, and in a new one in the next run', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(
      ref,
      ...['sevt_1', 'sevt_2', 'sevt_3', 'sevt_4'].flatMap((id) => [uses(id), returns(id)]),
      ends(),
    );
    await stage.append(ref, uses('sevt_5'), returns('sevt_5'), says('There.'), ends());
    const [one, three] = ['<done> Use bash', '<done> Use bash, <done> Use bash, <done> Use bash'];
    await shows([three, one, '(i) Done; there is nothing to add.', one, 'There.']);
  });

  it('go on in another message when one has grown for long enough, also at another gateway', async () => {
    platform.grows_for_ms = 0;
    const first = gateway();
    const ref = await stage.session();
    await stage.append(ref, uses('sevt_1'));
    await shows(['<running> Use bash']);
    await stage.append(ref, returns('sevt_1'), uses('sevt_2'));
    await shows(['<done> Use bash', '<running> Use bash']);
    await first.stop();
    await stage.append(ref, returns('sevt_2'), uses('sevt_3'), returns('sevt_3'), says('There.'), ends());
    await gateway('gateway_2').sweepNow();
    await shows(['<done> Use bash', '<done> Use bash', '<done> Use bash', 'There.']);
    await atRest();
  });

  it('come together in few edits, however many they are', async () => {
    platform.limits.edit_interval_ms = 60_000;
    platform.limits.plan_size = 16;
    gateway();
    const ref = await stage.session();
    // A session that does not run is let go of, and shown at once by whoever takes it up.
    await stage.append(ref, { type: 'session.status_running' }, uses('sevt_1'));
    await shows(['<running> Use bash']);
    await stage.append(ref, returns('sevt_1'));
    for (let n = 2; n <= 10; n += 1) await stage.append(ref, uses(`sevt_${n}`), returns(`sevt_${n}`));
    await stage.append(ref, says('There.'), ends());
    await atRest();
    expect(platform.messages[0]?.versions).toHaveLength(2);
    expect(platform.texts()).toEqual([Array.from({ length: 10 }, () => '<done> Use bash').join(', '), 'There.']);
  });

  it('that ask a person wait, and end as it was decided', async () => {
    gateway();
    const ref = await stage.session();
    await stage.append(ref, uses('sevt_c1'), returns('sevt_c1'), ...asks('appr_1', 'sevt_c2'));
    await shows(['<done> Use bash, <waiting> Use bash', '[pending] Run a command that deletes files (rm)']);
    await atRest();
    expect(platform.messages[0]?.versions.at(-1)).toMatchObject({ live: false, over: false });
    // Its card shows what it is to those who may see it.
    expect(platform.messages[0]?.versions.at(-1)).toMatchObject({ calls: [{ detail: 'bash' }, { detail: '' }] });
    await stage.append(
      ref,
      decided('appr_1', 'sevt_c2', 'denied', ana),
      returns('sevt_c2', 'Denied by Ana', true),
      ends(),
    );
    await eventually(() => expect(platform.texts()[0]).toBe('<done> Use bash, <denied> Use bash Denied by Ana'));
    await atRest();
    expect(platform.messages).toHaveLength(3);
  });

  it('are taken up by another gateway that finds which message is whose', async () => {
    platform.limits.edit_interval_ms = 60_000;
    const first = gateway();
    const ref = await stage.session();
    for (const id of ['sevt_1', 'sevt_2', 'sevt_3', 'sevt_4']) await stage.append(ref, uses(id));
    await eventually(() => expect(platform.messages).toHaveLength(2));
    await first.stop();
    const [full, begun] = platform.messages;
    await stage.append(ref, ...['sevt_1', 'sevt_2', 'sevt_3', 'sevt_4'].map((id) => returns(id)), uses('sevt_5'));
    await stage.append(ref, returns('sevt_5'), says('There.'), ends());
    await gateway('gateway_2').sweepNow();
    const three = '<done> Use bash, <done> Use bash, <done> Use bash';
    await shows([three, '<done> Use bash, <done> Use bash', 'There.']);
    await atRest();
    expect(full?.versions.at(-1)).toMatchObject({ over: true });
    expect(begun?.versions.at(-1)).toMatchObject({ over: true });
  });

  it.each([true, false])('are posted once although a gateway died posting them (it stands: %s)', async (after) => {
    platform.faults.push({ kind: 'died', after });
    const timings = { lease_ms: 300, sweep_ms: 20, retry_ms: 1, drain_ms: 1 };
    const first = gateway('gateway_1', { timings });
    const ref = await stage.session();
    await stage.append(ref, uses('sevt_c1'));
    await eventually(() => expect(platform.calls).toContain('post plan'));
    await first.stop();
    await stage.append(ref, returns('sevt_c1'), says('There.'), ends());
    gateway('gateway_2', { timings }).start();
    await shows(['<done> Use bash', 'There.']);
    await atRest();
  });

  it('hold up nothing where the platform does not take them', async () => {
    platform.faults.push({ kind: 'refused', reason: 'invalid_blocks' });
    gateway();
    const ref = await stage.session();
    await stage.append(ref, uses('sevt_c1'), returns('sevt_c1'), says('There.'), ends());
    await shows(['There.']);
    await atRest();
  });
});
