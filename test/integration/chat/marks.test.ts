import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { asks, ends, says } from '../../support/chat-events.ts';
import { type ChatStage, type NewEvent } from '../../support/chat-stage.ts';
import { deferred } from '../../support/deferred.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();
let platform: Platform;
let ref: SessionRef;
let running: Deliverer[];

beforeEach(async () => {
  platform = createPlatform();
  platform.marked = new Set();
  ref = await stage.session();
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

const begins: NewEvent = { type: 'session.status_running' };
const ana = { via: 'test', id: 'U_ANA', name: 'Ana' };

/** Somebody's message, with the same id in the chat and in the log. */
function hears(id: string, over: Partial<Extract<NewEvent, { type: 'user.message' }>> = {}): NewEvent {
  const content = [{ type: 'text' as const, text: id }];
  return { id: `sevt_${id}`, type: 'user.message', content, message_id: id, from: ana, ...over };
}

function takesUp(...ids: string[]): NewEvent {
  return { type: 'deckhand.input_processed', event_ids: ids.map((id) => `sevt_${id}`) };
}

/** The first message and what a worker makes of it. */
const begun = [hears('first'), begins, takesUp('first')];

async function marked(...ids: string[]): Promise<void> {
  await eventually(() => expect([...(platform.marked ?? [])]).toEqual(ids));
}

function calls(): string[] {
  return platform.calls.filter((call) => /^(un)?mark /.test(call));
}

async function atRest(): Promise<void> {
  await eventually(async () => expect(await stage.log.undelivered(10)).toEqual([]));
}

describe('a message that comes during a run', () => {
  it('is marked until the run takes it up; the one that began it is not', async () => {
    gateway();
    await stage.append(ref, ...begun);
    await stage.append(ref, hears('second'), hears('third'));
    await marked('second', 'third');
    await stage.append(ref, says('One thing after another.'), takesUp('second', 'third'));
    await marked();
    await stage.append(ref, says('Done.'), ends());
    await atRest();
    await stage.append(ref, hears('fourth'), begins, takesUp('fourth'), ends());
    await atRest();
    expect(calls()).toEqual(['mark second', 'mark third', 'unmark second', 'unmark third']);
  });

  it('is marked while a person is asked', async () => {
    gateway();
    await stage.append(ref, ...begun, ...asks('appr_1', 'sevt_call'));
    await stage.append(ref, hears('second'));
    await marked('second');
    await stage.append(ref, takesUp('second'), ends());
    await atRest();
    expect(calls()).toEqual(['mark second', 'unmark second']);
  });

  it('is not marked when it was taken up already, nor when it is no message of this chat', async () => {
    gateway();
    await stage.append(ref, ...begun, hears('second'), takesUp('second'));
    await stage.append(ref, hears('third', { from: { via: 'other', id: 'U1', name: 'Ben' } }));
    const { message_id: _none, ...unsaid } = { message_id: '', ...hears('fourth') };
    await stage.append(ref, unsaid as NewEvent, takesUp('third', 'fourth'), ends());
    await atRest();
    // A gateway before this one may have marked it: taking that off is no mark.
    expect(calls().filter((call) => call.startsWith('mark'))).toEqual([]);
  });

  it('is not marked for ever when the session ends', async () => {
    gateway();
    await stage.append(ref, ...begun);
    await stage.append(ref, hears('second'));
    await marked('second');
    await stage.append(ref, { type: 'session.status_terminated' });
    await marked();
    await atRest();
  });
});

describe('a mark', () => {
  it('holds up nothing, however long it takes', async () => {
    const answer = deferred<void>();
    const connector = { ...platform.connector(), react: () => answer.promise };
    gateway('gateway_1', { connectors: new Map([['test', connector]]) });
    await stage.append(ref, ...begun);
    await stage.append(ref, hears('second'), says('Meanwhile.'), takesUp('second'));
    await stage.append(ref, hears('third'), says('And more.'), ends());
    await eventually(() => expect(platform.texts()).toEqual(['Meanwhile.', 'And more.']));
    answer.resolve();
    await atRest();
  });

  it('that fails is tried three times, and then done without', async () => {
    gateway();
    platform.failMarks = 2;
    await stage.append(ref, ...begun);
    await stage.append(ref, hears('second'));
    await marked('second');
    platform.failMarks = 3;
    await stage.append(ref, takesUp('second'), ends());
    await atRest();
    expect(calls()).toEqual([...Array(3).fill('mark second'), ...Array(3).fill('unmark second')]);
  });

  it('is taken off by the gateway that goes on', async () => {
    const first = gateway();
    await stage.append(ref, ...begun);
    await stage.append(ref, hears('second'));
    await marked('second');
    await first.stop();
    gateway('gateway_2');
    await stage.append(ref, takesUp('second'), ends());
    await marked();
    await atRest();
    expect(calls()).toEqual(['mark second', 'unmark second']);
  });

  it('of a gateway that died is taken off by another, whose clock is behind', async () => {
    const first = gateway();
    await stage.append(ref, ...begun);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 30_000 });
    await stage.append(ref, hears('second'));
    vi.useRealTimers();
    await marked('second');
    // What it had shown was never said to be: as when it is killed.
    await first.stop();
    await stage.db.collection('delivery_cursors').deleteMany({});
    await stage.append(ref, takesUp('second'), ends());
    gateway('gateway_2').wake({ ...ref, lane: '' });
    await marked();
    await atRest();
    expect(calls().filter((call) => call.startsWith('mark'))).toEqual(['mark second']);
  });

  it('of another gateway is taken off when the session ends before its message was taken up', async () => {
    const first = gateway();
    await stage.append(ref, ...begun);
    const content = [{ type: 'text' as const, text: 'second' }];
    const event = { id: 'sevt_second', type: 'user.message' as const, content, processed_at: null };
    await stage.log.appendInputs(ref, [{ event, by: ana, message_id: 'second' }]);
    await marked('second');
    await first.stop();
    gateway('gateway_2');
    await stage.append(ref, { type: 'session.status_terminated' });
    await marked();
    await atRest();
    expect(calls()).toEqual(['mark second', 'unmark second']);
  });

  it('is made by the gateway that goes on, which knows what was before from the log', async () => {
    const first = gateway();
    const many = Array.from({ length: 30 }, (_, n) => says(`Step ${n}.`));
    await stage.append(ref, ...begun, ...many);
    await eventually(() => expect(platform.texts()).toHaveLength(30));
    await first.stop();
    gateway('gateway_2');
    await stage.append(ref, hears('second'));
    await marked('second');
    await stage.append(ref, takesUp('second'), ends());
    await atRest();
  });

  it('that was broken off is made by the gateway that goes on', async () => {
    const asked = deferred<void>();
    const connector = {
      ...platform.connector(),
      react: (_key: unknown, _id: string, _on: boolean, signal: AbortSignal) =>
        new Promise<void>((_resolve, reject) => {
          asked.resolve();
          signal.addEventListener('abort', () => reject(signal.reason));
        }),
    };
    const first = gateway('gateway_1', { connectors: new Map([['test', connector]]) });
    await stage.append(ref, ...begun);
    await stage.append(ref, hears('second'), says('Meanwhile.'));
    await asked.promise;
    await eventually(() => expect(platform.texts()).toEqual(['Meanwhile.']));
    await first.stop();
    await gateway('gateway_2').sweepNow();
    await marked('second');
    expect(platform.texts()).toEqual(['Meanwhile.']);
    await stage.append(ref, takesUp('second'), ends());
    await atRest();
  });
});
