import { beforeEach, describe, expect, inject, it } from 'vitest';
import type { InboundMessage } from '../../../src/chat/inbound.ts';
import { createInboundStore, type InboundStore } from '../../../src/chat/inbound-store.ts';
import type { Person } from '../../../src/chat/place.ts';
import { createMongoClient } from '../../../src/mongo-client.ts';
import type { SessionEvent } from '../../../src/session/event.ts';
import { derivedId, newId } from '../../../src/session/id.ts';
import type { SessionLog, SessionRef } from '../../../src/session/log.ts';
import { REMOVAL } from '../../support/cards.ts';
import { place, said } from '../../support/chat-stage.ts';
import { commanded } from '../../support/commands.ts';
import { deferred } from '../../support/deferred.ts';
import { createPlatform } from '../../support/fake-connector.ts';
import { mongoGate } from '../../support/gate/gate.ts';
import { keepsChatEvent } from '../../support/kill/steps.ts';
import { useChatStage } from '../../support/use-chat-stage.ts';

const stage = useChatStage();

async function texts(): Promise<string[]> {
  const entries = await stage.entries('user.message');
  return entries.flatMap(({ event }) => event.content.map((block) => (block.type === 'text' ? block.text : '')));
}

async function append(ref: SessionRef, ...events: SessionEvent[]): Promise<void> {
  const { seq } = await stage.log.head(ref);
  await stage.log.append({ ...ref, after: seq, entries: events.map((event) => ({ event })), owed: false });
}

function stamp() {
  return { id: newId('sevt'), processed_at: '2026-11-20T12:00:00.000Z' };
}

/** A process that dies at its first append, before or after that lands: nothing is ever heard of it again. */
function dying(when: 'before' | 'after') {
  const died = deferred<void>();
  const log: SessionLog = {
    ...stage.log,
    async append(request) {
      if (when === 'after') await stage.log.append(request);
      died.resolve();
      return new Promise(() => undefined);
    },
  };
  return { ...stage.receiver({ log }), died: died.promise };
}

/** A log whose next appends fail, before or after they land. */
function failingLog(when: 'before' | 'after', times: number): SessionLog {
  let left = times;
  return {
    ...stage.log,
    async append(request) {
      if (left === 0) return stage.log.append(request);
      left -= 1;
      if (when === 'after') await stage.log.append(request);
      throw new Error('MongoDB is away');
    },
  };
}

/** A directory in which the first who ask for agents wait. */
function heldDirectory(first = 1) {
  const reached = deferred<void>();
  const released = deferred<void>();
  let asked = 0;
  const directory: typeof stage.directory = {
    ...stage.directory,
    async agents(workspace_id) {
      asked += 1;
      reached.resolve();
      if (asked <= first) await released.promise;
      return stage.directory.agents(workspace_id);
    },
  };
  return { directory, reached: reached.promise, release: () => released.resolve() };
}

const elsewhere = { ...place, thread: '200.1' };

describe('a message', () => {
  it('starts a session that is named after it, and continues it', async () => {
    const receiver = stage.receiver();
    expect(await receiver.message(said('deploy   the site'))).toEqual({ effect: 'accepted', text: null });
    await receiver.message(said('and the docs', { sender: { id: 'U_BEN', name: 'Ben' } }));

    const [ref, ...more] = await stage.refs();
    expect(more).toEqual([]);
    const session = await stage.sessions.getSession(ref as SessionRef);
    expect(session).toMatchObject({ title: 'deploy the site', conversation_id: expect.stringMatching(/^conv_/) });
    expect(await texts()).toEqual(['deploy   the site', 'and the docs']);
    const entries = await stage.entries('user.message');
    expect(entries.map((entry) => entry.by)).toEqual([
      { via: 'test', id: 'U_ANA', name: 'Ana' },
      { via: 'test', id: 'U_BEN', name: 'Ben' },
    ]);
    expect((await stage.log.head(ref as SessionRef)).owed).toBe(true);
  });

  it('has a session of its own in every other place', async () => {
    const receiver = stage.receiver();
    await receiver.message(said('one'));
    await receiver.message(said('two', { conversation: { ...place, thread: '200.1' } }));
    await receiver.message(said('three', { conversation: { ...place, channel: 'C2' } }));
    expect(await stage.refs()).toHaveLength(3);
  });

  it('that does not speak to the bot is left alone, in a place it knows and in one it does not', async () => {
    const receiver = stage.receiver();
    const ignored = { effect: 'ignored', text: null };
    expect(await receiver.message(said('hi all', { addressed: false }))).toEqual(ignored);
    expect(await stage.refs()).toEqual([]);
    await receiver.message(said('hello bot'));
    expect(await receiver.message(said('what do you think, Ben?', { addressed: false }))).toEqual(ignored);
    expect(await texts()).toEqual(['hello bot']);
  });

  it.each([
    ['', /Tell me what you would like/],
    ['   \n', /Tell me what you would like/],
    ['x'.repeat(100_001), /100,001 characters; at most 100,000 fit/],
  ])('that cannot be taken is answered in words', async (text, words) => {
    const receipt = await stage.receiver().message(said(text));
    expect(receipt.effect).toBe('refused');
    expect(receipt.text).toMatch(words);
    expect(await stage.refs()).toEqual([]);
  });

  it('may name an agent, and the next one without a name goes to the same', async () => {
    const { workspace_id } = stage.defaults;
    const writer = await stage.agents.create(workspace_id, { name: 'Writer', model: 'claude-sonnet-5-5' });
    const receiver = stage.receiver();
    await receiver.message(said('one'));
    await receiver.message(said('two', { agent: 'writer' }));
    await receiver.message(said('three'));
    const agents = await Promise.all(
      (await stage.refs()).map(async (ref) => [
        (await stage.sessions.getSession(ref)).agent.id,
        (await stage.log.head(ref)).seq,
      ]),
    );
    expect(agents).toEqual([
      [stage.defaults.agent_id, 1],
      [writer._id, 2],
    ]);
  });

  describe('that calls an agent at its beginning', () => {
    /** Who answered, in the order of the messages. */
    async function answered(...messages: InboundMessage[]): Promise<string[]> {
      for (const message of messages) await stage.receiver().message(message);
      const by = new Map<string | undefined, string>();
      for (const ref of await stage.refs()) {
        const { agent } = await stage.sessions.getSession(ref);
        for (const { message_id } of await stage.log.read(ref)) by.set(message_id, agent.name);
      }
      return messages.map(({ message_id }) => by.get(message_id) ?? 'nobody');
    }

    beforeEach(async () => {
      for (const name of ['Code Reviewer', 'Code', 'Ops: staging']) {
        await stage.agents.create(stage.defaults.workspace_id, { name, model: 'claude-sonnet-5-5' });
      }
    });

    it('goes to the agent of that whole name, whole as it was said, and so does the next one without a name', async () => {
      const words = ['code reviewer: look at this', 'and at that', ', @Code : go', 'Ops: staging: deploy', 'deckhand:'];
      expect(await answered(...words.map((text) => said(text)))).toEqual([
        'Code Reviewer',
        'Code Reviewer',
        'Code',
        'Ops: staging',
        'deckhand',
      ]);
      expect((await texts()).toSorted()).toEqual(words.toSorted());
    });

    it.each([
      'Reviewer: look',
      'Code Review: look',
      'Note: the Code Reviewer: no',
      'Code Reviewer, look: there',
      'Ops: go',
    ])('is text where that is the name of none: %j', async (text) => {
      expect(await answered(said(text))).toEqual(['deckhand']);
      expect(await texts()).toEqual([text]);
    });

    it('goes there also where another is the usual one, and not where another was picked in a form', async () => {
      const text = 'Code Reviewer: look';
      expect(await answered(said(text, { usual_agent: 'Code' }), said('go', { usual_agent: 'Code' }))).toEqual([
        'Code Reviewer',
        'Code',
      ]);
      expect(await answered(said(text, { agent: 'Code', conversation: elsewhere }))).toEqual(['Code']);
    });
  });

  it('to an agent that is not there is answered with those that are', async () => {
    const { workspace_id } = stage.defaults;
    await stage.agents.create(workspace_id, { name: 'Writer', model: 'claude-sonnet-5-5' });
    const receipt = await stage.receiver().message(said('two', { agent: 'painter' }));
    expect(receipt).toEqual({
      effect: 'refused',
      text: 'There is no agent named painter. There is: deckhand, Writer.',
    });
  });

  it('starts a new session where the old one was archived, ended or deleted', async () => {
    const receiver = stage.receiver();
    await receiver.message(said('one'));
    const [first] = await stage.refs();
    await append(first as SessionRef, { ...stamp(), type: 'session.status_terminated' });
    await receiver.message(said('two'));
    const second = (await stage.refs()).at(-1) as SessionRef;
    await append(second, {
      ...stamp(),
      type: 'session.status_idle',
      stop_details: null,
      stop_reason: { type: 'end_turn' },
    });
    await stage.sessions.archive(second);
    await receiver.message(said('three'));
    await stage.sessions.remove((await stage.refs()).at(-1) as SessionRef);
    await receiver.message(said('four'));
    expect(await texts()).toEqual(['one', 'two', 'four']);
    expect(await stage.refs()).toHaveLength(3);
  });
});

describe('the same message again', () => {
  it('has no effect, however often and to whichever gateway it comes', async () => {
    const message = said('deploy');
    await stage.receiver().message(message);
    expect(await stage.receiver().message(message)).toEqual({ effect: 'duplicate', text: null });
    expect(await stage.receiver().message(message)).toEqual({ effect: 'duplicate', text: null });
    expect(await texts()).toEqual(['deploy']);
  });

  it('has one effect when it comes to three gateways at once', async () => {
    const message = said('deploy');
    await Promise.all([1, 2, 3].map(() => stage.receiver().message(message)));
    expect(await texts()).toEqual(['deploy']);
    expect(await stage.refs()).toHaveLength(1);
  });

  it('has one effect when another finishes it because the first was slow', async () => {
    const message = said('deploy');
    const slow = {
      ...stage.directory,
      async agents(workspace_id: string) {
        await stage.silence(31_000);
        await stage.receiver().message(message);
        return stage.directory.agents(workspace_id);
      },
    };
    expect((await stage.receiver({ directory: slow }).message(message)).effect).toBe('duplicate');
    expect(await texts()).toEqual(['deploy']);
  });

  it('has one effect when it comes as two events, also of two tenants', async () => {
    const message = said('deploy');
    const mention = { ...message, event_id: 'EvOther', conversation: { ...place, tenant: 'E1' } };
    await Promise.all([stage.receiver().message(message), stage.receiver().message(mention)]);
    expect(await texts()).toEqual(['deploy']);
  });

  it('is heard as a mention although it was ignored as a plain message before', async () => {
    const message = said('deploy', { addressed: false });
    await stage.receiver().message(message);
    await stage.receiver().message({ ...message, event_id: 'EvMention', addressed: true });
    expect(await texts()).toEqual(['deploy']);
  });

  it('is remembered for days, not for ever', async () => {
    await stage.receiver().message(said('deploy'));
    const indexes = await stage.db.collection('inbound').indexes();
    expect(indexes.find((index) => index.key['applied_at'] === 1)?.expireAfterSeconds).toBe(7 * 24 * 3600);
    const [kept] = await stage.db.collection('inbound').find().toArray();
    expect(JSON.stringify(kept)).not.toContain('deploy');
  });
});

describe('first messages at once', () => {
  it('make one session', async () => {
    const people = Array.from({ length: 6 }, (_, n) => said(`message ${n}`));
    await Promise.all(people.map((message) => stage.receiver().message(message)));
    expect(await stage.refs()).toHaveLength(1);
    expect((await texts()).sort()).toEqual(people.map((message) => message.text));
  });

  it('make one session although the first process died while making it', async () => {
    const dead = { ...stage.directory, create: () => Promise.reject(new Error('The process died here')) };
    const message = said('one');
    await expect(stage.receiver({ directory: dead }).message(message)).rejects.toThrow('died here');
    await stage.receiver().message(said('two'));
    await stage.receiver().message(message);
    expect(await stage.refs()).toHaveLength(1);
    expect(await texts()).toEqual(['two', 'one']);
  });
});

describe('a gateway that dies', () => {
  it.each(['before', 'after'] as const)('%s the append leaves it to the sweep', async (when) => {
    const lost = dying(when);
    void lost.message(said('deploy'));
    await lost.died;
    const [one, two] = [stage.receiver(), stage.receiver()];
    expect(await one.sweepNow()).toBe(0);
    await stage.silence(31_000);
    await Promise.all([one.sweepNow(), two.sweepNow()]);
    await stage.silence(3_600_000);
    expect(await one.sweepNow()).toBe(0);
    expect(await texts()).toEqual(['deploy']);
  });

  it.each(['before', 'after'] as const)('%s the append leaves it to the redelivery', async (when) => {
    const message = said('deploy');
    const lost = dying(when);
    void lost.message(message);
    await lost.died;
    // As long as it may live, it is its own.
    expect(await stage.receiver().message(message)).toEqual({ effect: 'duplicate', text: null });
    expect(await texts()).toEqual(when === 'before' ? [] : ['deploy']);
    await stage.silence(31_000);
    const receipt = await stage.receiver().message(message);
    expect(receipt.effect).toBe(when === 'before' ? 'accepted' : 'duplicate');
    expect(await texts()).toEqual(['deploy']);
    expect(await stage.receiver().message(message)).toEqual({ effect: 'duplicate', text: null });
  });

  it('leaves its events to others in the order in which they came', async () => {
    const lost = dying('before');
    const words = ['one', 'two', 'three', 'four'];
    for (const text of words) await lost.service.message(said(text));
    await stage.silence(31_000);
    expect(await stage.receiver().sweepNow()).toBe(4);
    expect(await texts()).toEqual(words);
  });

  it('after the append does not say it again in the session that replaced the one it was said in', async () => {
    const message = said('deploy');
    const lost = dying('after');
    void lost.message(message);
    await lost.died;
    const [ref] = await stage.refs();
    await append(ref as SessionRef, { ...stamp(), type: 'session.status_terminated' });
    await stage.receiver().message(said('anybody there?'));
    await stage.silence(31_000);
    await stage.receiver().message(message);
    expect(await texts()).toEqual(['deploy', 'anybody there?']);
  });

  it('before the append says it in the session that replaced the one it was meant for', async () => {
    const message = said('deploy');
    const lost = dying('before');
    void lost.message(message);
    await lost.died;
    const [ref] = await stage.refs();
    await append(ref as SessionRef, { ...stamp(), type: 'session.status_terminated' });
    await stage.silence(31_000);
    expect((await stage.receiver().message(message)).effect).toBe('accepted');
    expect(await stage.refs()).toHaveLength(2);
    expect(await texts()).toEqual(['deploy']);
  });

  it('has its person told by who finishes its work', async () => {
    const told: unknown[] = [];
    const connectors = new Map([
      [
        place.connector,
        {
          nameOf: async () => 'Ana',
          readable: async (text: string) => text,
          whisper: async (...args: unknown[]) => void told.push(args.slice(0, 3)),
        },
      ],
    ]);
    const held = heldDirectory();
    const message = said('paint', { agent: 'painter' });
    void stage.receiver({ directory: held.directory }).message(message);
    await held.reached;
    await stage.silence(31_000);
    await stage.receiver({ connectors }).sweepNow();
    expect(told).toEqual([[place, message.sender, 'There is no agent named painter. There is: deckhand.']]);
  });
});

describe('an event that is kept', () => {
  it('is acknowledged before it has its effect', async () => {
    const held = heldDirectory();
    const { service } = stage.receiver({ directory: held.directory });
    const { receipt } = await service.message(said('deploy'));
    await held.reached;
    expect(await stage.db.collection('inbound').findOne()).toMatchObject({ state: 'received' });
    expect(await texts()).toEqual([]);
    held.release();
    expect(await receipt).toEqual({ effect: 'accepted', text: null });
    expect(await texts()).toEqual(['deploy']);
  });

  it('is not acknowledged when it could not be kept, and holds up nobody', async () => {
    const away = { ...said('deploy'), text: '\ud800'.repeat(10), event_id: 'x'.repeat(17 * 1024 * 1024) };
    const { service } = stage.receiver();
    await expect(service.message(away)).rejects.toThrow();
    expect((await (await service.message(said('and now'))).receipt).effect).toBe('accepted');
  });

  it('waits for those before it in its conversation, and for no other', async () => {
    const held = heldDirectory();
    const { service } = stage.receiver({ directory: held.directory });
    const words = ['one', 'two', 'three', 'four', 'five'];
    const receipts = [];
    for (const text of words) receipts.push((await service.message(said(text))).receipt);
    await held.reached;
    const other = await service.message(said('elsewhere', { conversation: elsewhere }));
    expect((await other.receipt).effect).toBe('accepted');
    expect(await texts()).toEqual(['elsewhere']);
    held.release();
    await Promise.all(receipts);
    expect((await texts()).filter((text) => text !== 'elsewhere')).toEqual(words);
  });

  it('has its place in the line from when it came, also when it was kept later than the next', async () => {
    const { service } = stage.receiver();
    const words = Array.from({ length: 30 }, (_, n) => `message ${n}`);
    const kept = await Promise.all(words.map((text) => service.message(said(text))));
    await Promise.all(kept.map(({ receipt }) => receipt));
    expect(await texts()).toEqual(words);
  });

  it('is left to its process, when it comes again meanwhile and when the sweep looks', async () => {
    const held = heldDirectory();
    const message = said('deploy');
    const { receipt } = await stage.receiver({ directory: held.directory }).service.message(message);
    await held.reached;
    const other = stage.receiver();
    expect(await other.message(message)).toEqual({ effect: 'duplicate', text: null });
    expect(await other.message({ ...message, event_id: 'EvMention' })).toEqual({ effect: 'duplicate', text: null });
    expect(await other.sweepNow()).toBe(0);
    held.release();
    expect((await receipt).effect).toBe('accepted');
    expect(await texts()).toEqual(['deploy']);
  });

  it('stays its process’s for as long as that says so', async () => {
    const [store, other] = [createInboundStore(stage.db, 30_000), createInboundStore(stage.db, 30_000)];
    const kept = await store.keep({ kind: 'message', message: said('deploy') });
    if (kept === null) throw new Error('It was kept before');
    const takenBy = async (taker: InboundStore) => {
      await taker.endAbandoned();
      return (await taker.takeLost())?.id;
    };
    await stage.silence(31_000);
    await store.beat();
    expect(await takenBy(other)).toBeUndefined();
    await stage.silence(31_000);
    // It has not died: it was busy, or it would not ask.
    expect(await takenBy(store)).toBeUndefined();
    expect(await takenBy(other)).toEqual(kept.id);
    expect(await takenBy(store)).toBeUndefined();
  });

  it('is taken again by nobody for longer each time when its processes die of it', async () => {
    const message = said('deploy');
    await createInboundStore(stage.db, 30_000).keep({ kind: 'message', message });
    const taken: boolean[] = [];
    for (let n = 0; n < 3; n++) {
      await stage.silence(31_000);
      const next = createInboundStore(stage.db, 30_000);
      await next.endAbandoned();
      taken.push((await next.takeLost()) !== null);
    }
    // The third time it is nobody's, and due half a minute later.
    expect(taken).toEqual([true, true, false]);
    await stage.silence(31_000);
    expect(await createInboundStore(stage.db, 30_000).takeLost()).not.toBeNull();
  });

  it.each(['before', 'after'] as const)('is tried again where an append failed %s it landed', async (when) => {
    const { service } = stage.receiver({ log: failingLog(when, 2) });
    const receipts = [];
    for (const text of ['one', 'two']) receipts.push((await service.message(said(text))).receipt);
    const effects = (await Promise.all(receipts)).map(({ effect }) => effect);
    expect(effects).toEqual([
      when === 'before' ? 'accepted' : 'duplicate',
      when === 'before' ? 'accepted' : 'duplicate',
    ]);
    expect(await texts()).toEqual(['one', 'two']);
  });

  it('lets its conversation go on when it fails again and again, and is anybody’s then', async () => {
    const { service } = stage.receiver({ log: failingLog('before', 3) });
    const [one, two] = [await service.message(said('one')), await service.message(said('two'))];
    await expect(one.receipt).rejects.toThrow('MongoDB is away');
    expect((await two.receipt).effect).toBe('accepted');
    expect(await stage.receiver().sweepNow()).toBe(1);
    expect(await texts()).toEqual(['two', 'one']);
    expect(await stage.db.collection('inbound').countDocuments({ state: 'received' })).toBe(0);
  });

  it('is waited for by a receiver that stops', async () => {
    const held = heldDirectory();
    const { service } = stage.receiver({ directory: held.directory });
    await service.message(said('deploy'));
    await held.reached;
    const stopped = service[Symbol.asyncDispose]();
    held.release();
    await stopped;
    expect(await texts()).toEqual(['deploy']);
  });

  it('has its names asked for afterwards', async () => {
    const asked = deferred<void>();
    const answered = deferred<string>();
    const connector = {
      nameOf(person: { id: string }) {
        asked.resolve();
        return person.id === 'U_ANA' ? answered.promise : Promise.resolve(person.id);
      },
      readable: async (text: string) => text.replace('<@U2>', '@Ben'),
      whisper: async () => undefined,
    };
    const { service } = stage.receiver({ connectors: new Map([[place.connector, connector]]) });
    const sender = { id: 'U_ANA', name: 'U_ANA' };
    const { receipt } = await service.message(said('ask <@U2>', { sender }));
    await asked.promise;
    answered.resolve('Ana');
    await receipt;
    expect(await texts()).toEqual(['ask @Ben']);
    expect((await stage.entries('user.message')).map((entry) => entry.by?.name)).toEqual(['Ana']);
  });
});

describe('an event whose keeping breaks off', () => {
  for (const when of ['before MongoDB has it', 'after'] as const) {
    it(`${when} is not acknowledged, and has one effect when it is delivered again`, async () => {
      await using gate = await mongoGate(inject('mongodb_uri'));
      await using client = createMongoClient(gate.uri);
      const { service } = stage.receiver({ db: client.db(stage.db.databaseName) });
      const held = when === 'after' ? gate.holdAnswer(keepsChatEvent) : gate.holdRequest(keepsChatEvent);
      const message = said('deploy');
      const kept = service.message(message);
      const refused = expect(kept).rejects.toThrow();
      await held.reached;
      gate.cut();
      gate.mend();
      await refused;
      held.release();
      await (await service.message(message)).receipt;
      await service.sweepNow();
      expect(await texts()).toEqual(['deploy']);
    });
  }
});

describe('more events than one process takes', () => {
  it('wait to be kept, and are refused beyond that', async () => {
    const held = heldDirectory();
    // Each of them weighs a little over 4 KiB; half of it all is one channel's.
    const room = { in_flight: 20 * 4_200, waiting: 20 * 4_000 };
    const { service } = stage.receiver({ directory: held.directory, room });
    // The first holds up its conversation; the others stand behind it.
    const kept = await Promise.all(Array.from({ length: 10 }, () => service.message(said('hello'))));
    const waiting = Array.from({ length: 10 }, () => service.message(said('hello')));
    await expect(service.message(said('hello'))).rejects.toThrow('too many chat events');
    expect(await stage.db.collection('inbound').countDocuments()).toBe(10);
    held.release();
    for (const { receipt } of kept.slice(0, 1)) await receipt;
    const [next] = waiting;
    expect((await (await next)?.receipt)?.effect).toBe('accepted');
    await Promise.all((await Promise.all(waiting)).map(({ receipt }) => receipt));
    expect(await stage.db.collection('inbound').countDocuments({ state: 'applied' })).toBe(20);
  });

  it('have one effect each, refused and delivered again as often as they are', async () => {
    const room = { in_flight: 20 * 4_200, waiting: 20 * 4_000 };
    const { service } = stage.receiver({ room });
    const flood = Array.from({ length: 60 }, (_, n) => said(`message ${n}`));
    let refused = 0;
    for (let left: InboundMessage[] = flood; left.length > 0; refused += left.length) {
      const applied = left.map(async (message) => (await service.message(message)).receipt);
      const outcomes = await Promise.allSettled(applied);
      left = left.filter((_, index) => outcomes[index]?.status === 'rejected');
    }
    expect(refused).toBeGreaterThan(flood.length / 2);
    expect((await texts()).sort()).toEqual(flood.map(({ text }) => text).sort());
  });

  it('are left to others by a process that stops, and are nobody’s to wait for', async () => {
    const held = heldDirectory();
    const { service } = stage.receiver({ directory: held.directory });
    const receipts = [];
    for (const text of ['one', 'two', 'three']) receipts.push((await service.message(said(text))).receipt);
    const told = Promise.allSettled(receipts);
    await held.reached;
    const stopped = service[Symbol.asyncDispose]();
    held.release();
    await stopped;
    expect((await told).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
    expect(await texts()).toEqual(['one']);
    expect(await stage.receiver().service.sweepNow()).toBe(2);
    expect(await texts()).toEqual(['one', 'two', 'three']);
  });

  it('are left to others also where they wait for their turn among conversations', async () => {
    const held = heldDirectory(60);
    const { service } = stage.receiver({ directory: held.directory });
    const places = Array.from({ length: 60 }, (_, n) => ({ ...place, thread: `busy ${n}` }));
    const kept = await Promise.all(places.map((conversation) => service.message(said('deploy', { conversation }))));
    const told = Promise.allSettled(kept.map(({ receipt }) => receipt));
    await held.reached;
    const stopped = service[Symbol.asyncDispose]();
    held.release();
    await stopped;
    // Those that were inside are finished: thirty-two at most (MOST in apply-room.ts), however busy the machine is.
    const left = (await told).filter(({ status }) => status === 'rejected').length;
    expect(left).toBeGreaterThanOrEqual(28);
    expect(await stage.receiver().service.sweepNow()).toBe(left);
    expect(await texts()).toHaveLength(60);
  });
});

describe('a click', () => {
  const policy = { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null };
  let approval_id: string;
  let clicks = 0;

  beforeEach(async () => {
    await stage.receiver().message(said('clean up'));
    const [ref] = await stage.refs();
    const tool_use_id = newId('sevt');
    approval_id = derivedId('appr', tool_use_id);
    const what = { tool_name: 'bash', summary: REMOVAL.summary, detail: 'rm -rf build' };
    await append(
      ref as SessionRef,
      { ...stamp(), id: tool_use_id, type: 'agent.tool_use', name: 'bash', input: {}, evaluated_permission: 'ask' },
      {
        ...stamp(),
        type: 'deckhand.approval_requested',
        approval_id,
        tool_use_id,
        ...what,
        requested_by: null,
        policy,
      },
    );
  });

  function click(name: string, decision: 'allow' | 'deny' = 'allow', channel = place.channel) {
    clicks += 1;
    const person = { id: `U_${name.toUpperCase()}`, name };
    return { event_id: `click${clicks}`, conversation: { ...place, channel }, person, approval_id, decision };
  }

  it('decides, and says so', async () => {
    const receipt = await stage.receiver().decision({ ...click('Ben', 'deny'), reason: 'too broad' });
    expect(receipt).toEqual({ effect: 'accepted', text: 'Denied. The agent is told why.' });
    const [confirmation] = await stage.entries('user.tool_confirmation');
    expect(confirmation).toMatchObject({
      event: { result: 'deny', deny_message: 'too broad' },
      by: { via: 'test', id: 'U_BEN', name: 'Ben' },
    });
  });

  it('of two people at once has one effect, and each is told', async () => {
    const receipts = await Promise.all([
      stage.receiver().decision(click('Ana')),
      stage.receiver().decision(click('Ben', 'deny')),
    ]);
    expect(receipts.map((receipt) => receipt.effect).sort()).toEqual(['accepted', 'refused']);
    expect(receipts.every((receipt) => receipt.text !== null)).toBe(true);
    expect(await stage.entries('user.tool_confirmation')).toHaveLength(1);
  });

  it('of a stranger, from another channel, has no effect and is told so', async () => {
    const receipt = await stage.receiver().decision(click('Eve', 'allow', 'C9'));
    expect(receipt).toEqual({ effect: 'refused', text: 'Only members in the conversation may decide this.' });
    expect(await stage.entries('user.tool_confirmation')).toEqual([]);
  });

  it('does not count from another tenant, whatever its channel and its people are called', async () => {
    const here = click('Ben');
    const receipt = await stage.receiver().decision({ ...here, conversation: { ...place, tenant: 'E1' } });
    expect(receipt).toEqual({ effect: 'refused', text: 'This question is not known here any more.' });
    expect(await stage.entries('user.tool_confirmation')).toEqual([]);
  });

  it('delivered twice is one click', async () => {
    const once = click('Ben');
    await stage.receiver().decision(once);
    expect(await stage.receiver().decision(once)).toEqual({ effect: 'duplicate', text: null });
  });

  it('waits for no messages, however many there are', async () => {
    const held = heldDirectory(40);
    const { service } = stage.receiver({ directory: held.directory });
    const places = Array.from({ length: 40 }, (_, n) => ({ ...place, thread: `busy ${n}` }));
    const kept = await Promise.all(places.map((conversation) => service.message(said('deploy', { conversation }))));
    await held.reached;
    const { receipt } = await service.decision(click('Ben', 'deny'));
    expect((await receipt).effect).toBe('accepted');
    held.release();
    await Promise.all(kept.map((one) => one.receipt));
  });

  it('on a card that nobody knows is answered in words', async () => {
    const receipt = await stage.receiver().decision({ ...click('Ben'), approval_id: 'appr_unknown' });
    expect(receipt).toEqual({ effect: 'refused', text: 'This question is not known here any more.' });
  });
});

describe('a command', () => {
  it('waits for nobody else’s in its channel', async () => {
    const platform = createPlatform();
    const asked = deferred<void>();
    const released = deferred<void>();
    const nameOf = async ({ id, name }: Person) => {
      if (id !== 'U_ANA') return name;
      asked.resolve();
      await released.promise;
      return name;
    };
    const { service } = stage.receiver({ connectors: new Map([['test', { ...platform.connector(), nameOf }]]) });
    const slow = await service.command(commanded('/agents list'));
    await asked.promise;
    const { receipt } = await service.command(commanded('/agents new', {}, 'Ben'));
    expect((await receipt).form).toBeDefined();
    released.resolve();
    expect((await slow.receipt).effect).toBe('accepted');
  });
});

describe('Stop', () => {
  const stop = (event_id: string, name = 'Ana') => ({
    event_id,
    conversation: place,
    person: { id: `U_${name.toUpperCase()}`, name },
  });

  it('interrupts what runs, once, and says so to the next who presses it', async () => {
    await stage.receiver().message(said('count to a million'));
    const [ref] = await stage.refs();
    await append(ref as SessionRef, { ...stamp(), type: 'session.status_running' });
    expect(await stage.receiver().stop(stop('s1'))).toEqual({ effect: 'accepted', text: null });
    expect(await stage.receiver().stop(stop('s1'))).toEqual({ effect: 'duplicate', text: null });
    expect(await stage.receiver().stop(stop('s2'))).toEqual({ effect: 'refused', text: 'It is stopping already.' });
    expect(await stage.entries('user.interrupt')).toMatchObject([{ by: { via: 'test', id: 'U_ANA', name: 'Ana' } }]);
    expect((await stage.log.head(ref as SessionRef)).owed).toBe(true);
  });

  it('is said once to the one who pressed it, although the answer of MongoDB was lost', async () => {
    await stage.receiver().message(said('count to a million'));
    const receipt = await stage.receiver({ log: failingLog('after', 1) }).stop(stop('s1'));
    expect(receipt).toEqual({ effect: 'accepted', text: null });
    expect(await stage.entries('user.interrupt')).toHaveLength(1);
  });

  it('is one interrupt although the gateway died after it', async () => {
    await stage.receiver().message(said('count to a million'));
    const lost = dying('after');
    void lost.stop(stop('s1'));
    await lost.died;
    await stage.silence(31_000);
    await stage.receiver().stop(stop('s1'));
    expect(await stage.entries('user.interrupt')).toHaveLength(1);
  });

  it('where nothing runs is answered in words', async () => {
    const nothing = { effect: 'refused', text: 'Nothing is running here.', at_rest: true };
    expect(await stage.receiver().stop(stop('s1'))).toEqual(nothing);
    await stage.receiver().message(said('hello'));
    const [ref] = await stage.refs();
    const end = { ...stamp(), type: 'session.status_idle' as const, stop_details: null };
    await append(ref as SessionRef, { ...end, stop_reason: { type: 'end_turn' } });
    expect(await stage.receiver().stop(stop('s2'))).toEqual(nothing);
  });
});
