import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { ends, says } from '../../support/chat-events.ts';
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
