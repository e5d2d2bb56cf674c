import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Connector } from '../../../src/chat/connector.ts';
import type { Deliverer } from '../../../src/chat/deliver.ts';
import type { ConversationKey } from '../../../src/chat/place.ts';
import type { SessionDocument } from '../../../src/resources/session-document.ts';
import { newId } from '../../../src/session/id.ts';
import type { SessionRef } from '../../../src/session/log.ts';
import { ends, replied, says, uses } from '../../support/chat-events.ts';
import { type ChatStage, type NewEvent } from '../../support/chat-stage.ts';
import { deferred } from '../../support/deferred.ts';
import { eventually } from '../../support/eventually.ts';
import { createPlatform, type Platform } from '../../support/fake-connector.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

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

function gateway(over: Parameters<ChatStage['deliverer']>[2] = {}): Deliverer {
  const deliverer = stage.deliverer(platform, 'gateway_1', { now: () => stage.clock.now, ...over });
  running.push(deliverer);
  return deliverer;
}

/** The platform with posts that fail, in some conversations or all, for as long as `broken` says. */
function breaking(broken: (place: ConversationKey) => boolean): ReadonlyMap<string, Connector> {
  const connector = platform.connector();
  return new Map([
    [
      'test',
      {
        ...connector,
        post: (place, outgoing, signal) =>
          broken(place) ? Promise.reject(new Error('token_revoked')) : connector.post(place, outgoing, signal),
      },
    ],
  ]);
}

async function undelivered(): Promise<string[]> {
  return (await stage.log.undelivered(2_000)).map((one) => one.session_id);
}

/** So many more sessions like this one, whose ids come before every real one's. */
async function multiply(ref: SessionRef, count: number): Promise<void> {
  const sessions = stage.db.collection<SessionDocument>('sessions');
  const original = await sessions.findOne({ _id: ref.session_id });
  if (original === null) throw new Error('There is no such session');
  const copies = Array.from({ length: count }, (_, n) => ({
    ...original,
    _id: `sesn_0${String(n).padStart(25, '0')}`,
  }));
  await sessions.insertMany(copies);
}

describe('sessions that cannot be shown', () => {
  it('of a connector that was removed do not keep the sweep from the others', async () => {
    const gone = await stage.session('100.1');
    await stage.append(gone, says('for nobody'), ends());
    await multiply(gone, 1_200);
    const elsewhere = { connector: 'removed', tenant: 'T1', channel: 'C9', thread: '1.1' };
    await stage.db.collection('conversations').updateMany({}, { $set: elsewhere });
    const ref = await stage.session('200.1');
    await stage.append(ref, says('still heard'), ends());

    const deliverer = gateway();
    for (let round = 0; round < 3; round++) await deliverer.sweepNow();
    await eventually(() => expect(platform.texts()).toEqual(['still heard']));
    expect(deliverer.troubles()).toEqual({ removed: expect.stringContaining('not configured') });
    // Nothing is lost: they wait for the connector to come back.
    await eventually(async () => expect(await undelivered()).toHaveLength(1_201));
  });

  it('make room for others, and are shown once when their platform is well again', async () => {
    let away = true;
    const deliverer = gateway({ connectors: breaking((place) => away && place.thread === '100.1') });
    const ref = await stage.session('100.1');
    await stage.append(ref, says('one'), says('two'), ends());
    const lease = () => stage.db.collection<{ _id: string }>('delivery_cursors').findOne({ _id: ref.session_id });
    // It holds nothing while it waits: no lease, so no memory and no renewals either.
    await eventually(async () => expect(await lease()).toMatchObject({ holder: null, token: 1 }));

    await stage.append(await stage.session('200.1'), says('elsewhere'), ends());
    await eventually(() => expect(platform.texts()).toEqual(['elsewhere']));

    // Before its time it is not even tried.
    await deliverer.sweepNow();
    expect(await lease()).toMatchObject({ token: 1 });
    away = false;
    stage.clock.now += 300_000;
    await deliverer.sweepNow();
    await eventually(() => expect(platform.texts()).toEqual(['elsewhere', 'one', 'two']));
    await eventually(async () => expect(await undelivered()).toEqual([]));
  });

  it('all come up when the first call of a failing connector succeeds', async () => {
    let away = true;
    const deliverer = gateway({ connectors: breaking(() => away) });
    const refs: SessionRef[] = [];
    for (let n = 0; n < 4; n++) refs.push(await stage.session(`10${n}.1`));
    for (const ref of refs) await stage.append(ref, says('late'), ends());
    await eventually(() => expect(deliverer.troubles()['test']).toMatch(/^fails since .*: token_revoked$/));
    const idle = async () => {
      // Held once, and given back.
      const released = { holder: null, token: { $gt: 0 } };
      expect(await stage.db.collection('delivery_cursors').countDocuments(released)).toBe(4);
    };
    await eventually(idle);

    away = false;
    // The shortest wait of one of them is over; the others' is not.
    await stage.append(await stage.session('300.1'), says('the first'), ends());
    await eventually(() => expect(platform.texts()).toContain('the first'));
    expect(deliverer.troubles()).toEqual({});
    await deliverer.sweepNow();
    await eventually(() => expect(platform.texts()).toEqual(['the first', 'late', 'late', 'late', 'late']));
  });
});

describe('one channel that floods', () => {
  const OF_LANE = 3;
  const FLOOD = OF_LANE + 2;

  /** The platform with posts to one channel that take until `released`; says how many of them are under way. */
  function slow(
    channel: string,
    released: Promise<void>,
  ): { connectors: ReadonlyMap<string, Connector>; begun: () => number } {
    const connector = platform.connector();
    let begun = 0;
    const post: Connector['post'] = async (place, outgoing, signal) => {
      if (place.channel === channel) {
        begun += 1;
        await released;
      }
      return connector.post(place, outgoing, signal);
    };
    return { connectors: new Map([['test', { ...connector, post }]]), begun: () => begun };
  }

  async function inLane(thread: string, channel: string): Promise<SessionRef> {
    const ref = await stage.session(thread, channel);
    await stage.db
      .collection<SessionDocument>('sessions')
      .updateOne({ _id: ref.session_id }, { $set: { 'log.lane': channel } });
    return ref;
  }

  it('leaves room for the others, and is shown to its end', async () => {
    const released = deferred<void>();
    const { connectors, begun } = slow('C_flood', released.promise);
    for (let n = 0; n < FLOOD; n++) {
      await stage.append(await inLane(`10${n}.1`, 'C_flood'), says(`flood ${n}`), ends());
    }
    const deliverer = gateway({ connectors, most_shown: { all: FLOOD, of_lane: OF_LANE } });
    await deliverer.sweepNow();
    await eventually(() => expect(begun()).toBe(OF_LANE));
    await stage.append(await inLane('200.1', 'C_quiet'), says('a word'), ends());
    await deliverer.sweepNow();
    await eventually(() => expect(platform.texts()).toEqual(['a word']));
    // The sweep came by twice, and the channel still has no more than its part.
    expect(begun()).toBe(OF_LANE);

    released.resolve();
    await eventually(async () => {
      await deliverer.sweepNow();
      expect(platform.texts().toSorted()).toEqual(['a word', ...Array.from({ length: FLOOD }, (_, n) => `flood ${n}`)]);
    });
  });
});

describe('a log of 10,000 events', () => {
  const CALLS = 2_500;

  function call(n: number): NewEvent[] {
    const id = newId('sevt');
    const content = [{ type: 'text' as const, text: `result ${n}` }];
    return [
      uses(id),
      { type: 'deckhand.tool_started', tool_use_ids: [id], worker: 'wkr_1' },
      { type: 'agent.tool_result', tool_use_id: id, content, is_error: false },
      { type: 'deckhand.note', text: `${n}` },
    ];
  }

  it('is shown without a query or a status for each of them', async () => {
    const ref = await stage.session();
    for (let n = 0; n < CALLS; n += 250) {
      await stage.append(ref, ...Array.from({ length: 250 }, (_, index) => call(n + index)).flat());
    }
    await stage.append(ref, replied('end_turn'), says('the end'), ends());
    let reads = 0;
    let queries = 0;
    const log = {
      ...stage.log,
      read(...request: Parameters<typeof stage.log.read>) {
        reads += 1;
        return stage.log.read(...request);
      },
      query(...request: Parameters<typeof stage.log.query>) {
        queries += 1;
        return stage.log.query(...request);
      },
    };
    await gateway({ log }).sweepNow();
    await eventually(() => expect(platform.texts()).toEqual(['the end']));
    await eventually(async () => expect(await undelivered()).toEqual([]));
    expect(reads).toBeLessThan(60);
    expect(queries).toBe(1);
    expect(platform.calls.length).toBeLessThan(10);
    expect(platform.statuses.at(-1)).toEqual({ state: 'resting' });
  });
});
