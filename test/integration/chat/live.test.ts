import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import { createDeliveryStore } from '../../../src/chat/delivery-store.ts';
import { newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { ends, says, uses } from '../../support/chat-events.ts';
import { type ChatStage } from '../../support/chat-stage.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { brokenHints } from '../../support/memory-hints.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
let platform: Platform;
let running: Deliverer[];
let ref: SessionRef;

beforeEach(async () => {
  platform = createPlatform();
  running = [];
  ref = await stage.session();
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

/** The turn has begun and the gateway watches it: what is said from here on is heard. */
async function begun(): Promise<void> {
  await stage.append(ref, { type: 'session.status_running' });
  await eventually(() => expect(platform.calls).toContain('status Thinking…'));
}

async function starts(id: string): Promise<void> {
  await stage.preview(ref, { type: 'event_start', event: { type: 'agent.message', id } });
}

async function grows(event_id: string, text: string): Promise<void> {
  const content = { type: 'text' as const, text };
  await stage.preview(ref, { type: 'event_delta', event_id, delta: { type: 'content_delta', index: 0, content } });
}

describe('a text that is being written', () => {
  it('grows in one message and ends as the log has it', async () => {
    gateway();
    await begun();
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There ');
    await shows(['There ▌']);
    await grows(id, 'are two');
    await shows(['There are two▌']);
    await stage.append(ref, says('There are two files.', id), ends());
    await shows(['There are two files.']);
    expect(platform.messages).toHaveLength(1);
    expect(platform.messages[0]?.versions.at(-1)).toMatchObject({ live: false });
  });

  it('is seen from its first word when the turn was owed before', async () => {
    gateway();
    await stage.log.appendInputs(ref, [
      {
        event: { id: newId('sevt'), type: 'user.message', content: [{ type: 'text', text: 'go' }], processed_at: null },
      },
    ]);
    // Watched although nothing runs yet: the lease is held.
    await eventually(async () => {
      const cursor = await stage.db.collection('delivery_cursors').findOne();
      expect(cursor).toMatchObject({ holder: 'gateway_1' });
    });
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There ');
    await shows(['There ▌']);
  });

  it('goes on in a second message where one is full', async () => {
    platform.limits.text = 60;
    gateway();
    await begun();
    const id = newId('sevt');
    const [one, two] = ['The first paragraph has some words in it.\n\n', 'The second one has others. '];
    await starts(id);
    await grows(id, one);
    await shows([`${one}▌`]);
    await grows(id, two);
    await shows([one, `${two}▌`]);
    await stage.append(ref, says(one + two, id), ends());
    await shows([one, two]);
    expect(platform.messages).toHaveLength(2);
  });

  it('whose answer is lost is not posted twice', async () => {
    gateway();
    await begun();
    platform.faults.push({ kind: 'lost' });
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There ');
    await shows(['There ▌']);
    await stage.append(ref, says('There are two.', id), ends());
    await shows(['There are two.']);
  });

  it('is finished although its edits fail for a while', async () => {
    gateway();
    await begun();
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There ');
    await shows(['There ▌']);
    platform.failEdits = 3;
    await stage.append(ref, says('There are two.', id), ends());
    await shows(['There are two.']);
  });

  it('makes room for the next one when its request failed', async () => {
    gateway();
    await begun();
    const [failed, retried] = [newId('sevt'), newId('sevt')];
    await starts(failed);
    await grows(failed, 'There a');
    await shows(['There a▌']);
    await stage.preview(ref, { type: 'preview_dropped', event_id: failed });
    await starts(retried);
    await grows(retried, 'I count ');
    await shows(['I count ▌']);
    await stage.append(ref, says('I count two.', retried), ends());
    await shows(['I count two.']);
    expect(platform.messages).toHaveLength(1);
  });

  it('that nothing follows says that it broke off', async () => {
    gateway();
    await begun();
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There a');
    await shows(['There a▌']);
    await stage.append(ref, ends({ type: 'retries_exhausted' }));
    await shows(['There a\n\n*(broken off)*', '(!) I gave up after several failures.']);
  });

  it('is finished by another gateway when its own dies', async () => {
    const dying = gateway('gateway_1');
    await begun();
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There a');
    await shows(['There a▌']);
    await dying.stop();
    await stage.append(ref, says('There are two.', id), ends());
    await gateway('gateway_2').sweepNow();
    await shows(['There are two.']);
    expect(platform.messages).toHaveLength(1);
  });

  it.each([true, false])('is finished although its gateway died posting it (it stands: %s)', async (after) => {
    const dying = gateway('gateway_1');
    await begun();
    platform.faults.push({ kind: 'died', after });
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There a');
    await eventually(() => expect(platform.calls).toContain('post text live'));
    await dying.stop();
    await stage.append(ref, ends({ type: 'retries_exhausted' }));
    await gateway('gateway_2').sweepNow();
    const gaveUp = '(!) I gave up after several failures.';
    await shows(after ? ['There a\n\n*(broken off)*', gaveUp] : [gaveUp]);
  });

  it('is not overwritten by its own leftover when a gateway died taking its place', async () => {
    const store = createDeliveryStore(stage.db);
    const [failed, answer] = [newId('sevt'), newId('sevt')];
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    // Falls silent after the old text's message took the answer, before that is on record.
    const forgetful = {
      ...store,
      record: (id: string, change: Parameters<typeof store.record>[1]) =>
        change.state === 'posted' && change.ref !== undefined ? asleep : store.record(id, change),
    };
    gateway('gateway_1', { store: forgetful });
    await begun();
    await starts(failed);
    await grows(failed, 'There a');
    await shows(['There a▌']);
    await stage.append(ref, says('There are two.', answer), ends());
    await shows(['There are two.']);
    await stage.db
      .collection<{ _id: string; until: Date | null }>('delivery_cursors')
      .updateOne({ _id: ref.session_id }, { $set: { until: null } });
    await gateway('gateway_2').sweepNow();
    await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
    wake();
    await running[0]?.stop();
    expect(platform.texts()).toEqual(['There are two.']);
  });

  it('is not taken for unfinished when a gateway is late in saying how far it came', async () => {
    const store = createDeliveryStore(stage.db);
    let wake: () => void = () => undefined;
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let die: () => void = () => undefined;
    const dead = new Promise<void>((resolve) => {
      die = resolve;
    });
    let said: Promise<void> = asleep;
    const late = {
      ...store,
      async record(id: string, change: Parameters<typeof store.record>[1]) {
        if (change.state !== 'live') return store.record(id, change);
        said = asleep.then(() => store.record(id, change));
        await dead;
      },
    };
    gateway('gateway_1', { store: late });
    await begun();
    const id = newId('sevt');
    await starts(id);
    await grows(id, 'There a');
    await shows(['There a▌']);
    await stage.append(ref, says('There are two.', id));
    await stage.db
      .collection<{ _id: string; until: Date | null }>('delivery_cursors')
      .updateOne({ _id: ref.session_id }, { $set: { until: null } });
    await gateway('gateway_2').sweepNow();
    await shows(['There are two.']);
    wake();
    await said;
    await stage.append(ref, says('And that is all.'), ends());
    await shows(['There are two.', 'And that is all.']);
    die();
  });

  it('is told only at its end where Redis is away', async () => {
    gateway('gateway_1', { hints: brokenHints });
    await stage.append(ref, { type: 'session.status_running' }, says('There are two.'), ends());
    await shows(['There are two.']);
  });
});

describe('output of a running command', () => {
  it('is shown as it comes where tool calls are shown, and gives way to the result', async () => {
    platform.shows_activity = true;
    gateway();
    await begun();
    await stage.append(ref, uses('sevt_c1'));
    await shows(['<running> Use bash']);
    await stage.preview(ref, { type: 'tool_output', tool_use_id: 'sevt_c1', text: 'line 1\n' });
    await shows(['<running> Use bash line 1']);
    await stage.preview(ref, { type: 'tool_output', tool_use_id: 'sevt_c1', text: 'line 2\n' });
    await shows(['<running> Use bash line 1\nline 2']);
    const content = [{ type: 'text' as const, text: 'all lines' }];
    await stage.append(ref, { type: 'agent.tool_result', tool_use_id: 'sevt_c1', content, is_error: false });
    await shows(['<done> Use bash all lines']);
  });
});
