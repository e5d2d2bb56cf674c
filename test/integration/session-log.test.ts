import fc from 'fast-check';
import type { Db } from 'mongodb';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { InvalidInputError, LeaseLostError, LogMovedError, NotFoundError } from '../../src/errors.ts';
import type { LogEntry, NewEntry } from '../../src/session/event.ts';
import { newId } from '../../src/session/id.ts';
import type { AppendListener, Claimed, Opening, SessionLog, SessionRef } from '../../src/session/log.ts';
import { type EventDocument, emptyLog, type LoggedDocument, toDocument } from '../../src/session/log-document.ts';
import { MAX_TAIL_BYTES } from '../../src/session/log-tail.ts';
import { createLogIndexes, createMongoLog } from '../../src/session/mongo-log.ts';
import { cases } from '../support/cases.ts';
import { agentMessage, idle, note, processed, running, terminated, usage, userMessage } from '../support/entries.ts';
import { eventually } from '../support/eventually.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

const WORKSPACE = 'wrkspc_default';
const TTL = 60_000;

let database: TestDatabase;
let log: SessionLog;
let heard: Array<{ ref: SessionRef; entries: LogEntry[]; owed: boolean }>;
let ref: SessionRef;

beforeAll(async () => {
  database = await testDatabase();
  await createLogIndexes(database.db);
});

beforeEach(async () => {
  heard = [];
  log = createMongoLog(database.db, recorder());
  ref = await newSession();
});

afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

function recorder(): AppendListener {
  return { appended: (of, entries, owed) => heard.push({ ref: of, entries, owed }) };
}

async function newSession(): Promise<SessionRef> {
  const session_id = newId('sesn');
  const document: LoggedDocument = { _id: session_id, workspace_id: WORKSPACE, log: emptyLog() };
  await database.db.collection<LoggedDocument>('sessions').insertOne(document);
  return { workspace_id: WORKSPACE, session_id };
}

async function claim(holder = newId('wkr'), ttl_ms = TTL): Promise<Claimed> {
  const claimed = await log.claim(ref, holder, ttl_ms);
  if (claimed === null) throw new Error('The lease was not free');
  return claimed;
}

/** Another process on the same database, whose writes to the events' collection fail as long as `broken`. */
function otherProcess(state: { broken: boolean } = { broken: false }): SessionLog {
  return createMongoLog(withFailingEvents(database.db, state), { appended: () => undefined });
}

function withFailingEvents(db: Db, state: { broken: boolean }): Db {
  return overlay(db, {
    collection: (name: string, ...options: []) => {
      const collection = db.collection(name, ...options);
      if (name !== 'session_events') return collection;
      const write =
        (method: 'insertMany' | 'bulkWrite') =>
        (...args: never[]): Promise<unknown> =>
          state.broken
            ? Promise.reject(new Error('the process died here'))
            : Reflect.apply(collection[method], collection, args);
      return overlay(collection, { insertMany: write('insertMany'), bulkWrite: write('bulkWrite') });
    },
  });
}

/** `target` with some of its methods replaced. */
function overlay<T extends object>(target: T, replaced: Record<string, unknown>): T {
  return new Proxy(target, {
    get(of, name) {
      if (typeof name === 'string' && name in replaced) return replaced[name];
      const value: unknown = Reflect.get(of, name, of);
      return typeof value === 'function' ? value.bind(of) : value;
    },
  });
}

const texts = (entries: readonly LogEntry[]) =>
  entries.map(({ event }) =>
    'content' in event && Array.isArray(event.content) ? textOf(event.content[0]) : event.type,
  );

function textOf(block: unknown): string {
  return typeof block === 'object' && block !== null && 'text' in block ? String(block.text) : '';
}

describe('appending', () => {
  it('numbers entries without gaps and gives them back as they were', async () => {
    const sent = [userMessage('a', { via: 'web', id: 'ana', name: 'Ana' }), agentMessage('b')];
    const first = await log.append({ ...ref, after: 0, entries: sent });
    const second = await log.append({ ...ref, after: 2, entries: [idle()] });
    expect(first.map((entry) => entry.seq)).toEqual([1, 2]);
    expect(first.map(({ event, by }) => ({ event, ...(by === undefined ? {} : { by }) }))).toEqual(sent);
    expect(await log.read(ref)).toEqual([...first, ...second]);
    expect(await log.read(ref, 1)).toEqual([...first.slice(1), ...second]);
    expect(await log.readPage(ref, 0, 2)).toEqual({ entries: first, more: true });
    expect(await log.read(ref, 3)).toEqual([]);
  });

  it('refuses who did not see the last entry, and adds nothing then', async () => {
    await log.append({ ...ref, after: 0, entries: [agentMessage('a')] });
    for (const after of [0, 2, -1]) {
      await expect(log.append({ ...ref, after, entries: [agentMessage('b')] })).rejects.toBeInstanceOf(LogMovedError);
      await expect(otherProcess().append({ ...ref, after, entries: [idle()] })).rejects.toBeInstanceOf(LogMovedError);
    }
    expect(texts(await log.read(ref))).toEqual(['a']);
  });

  it('knows nothing of a session of another workspace', async () => {
    const foreign = { ...ref, workspace_id: 'wrkspc_other' };
    const tries = [
      log.head(foreign),
      log.read(foreign),
      log.query({ ...foreign, order: 'asc', limit: 1 }),
      log.append({ ...foreign, after: 0, entries: [idle()] }),
      log.appendInputs(foreign, [userMessage('x')]),
      log.claim(foreign, 'wkr_1', TTL),
    ];
    const results = await Promise.allSettled(tries);
    for (const result of results) expect(result).toMatchObject({ reason: expect.any(NotFoundError) });
    expect((await log.head(ref)).seq).toBe(0);
  });

  it('refuses more than fits, whole', async () => {
    const big = agentMessage('x'.repeat(9 * 1024 * 1024));
    await expect(log.append({ ...ref, after: 0, entries: [note('a'), big] })).rejects.toBeInstanceOf(InvalidInputError);
    const many = Array.from({ length: 1001 }, () => note('x'));
    await expect(log.append({ ...ref, after: 0, entries: many })).rejects.toBeInstanceOf(InvalidInputError);
    expect((await log.head(ref)).seq).toBe(0);
  });

  it('takes as much as it says', async () => {
    await log.append({ ...ref, after: 0, entries: [agentMessage('x'.repeat(7 * 1024 * 1024))] });
    await log.append({ ...ref, after: 1, entries: Array.from({ length: 1000 }, () => note('x')) });
    await log.append({ ...ref, after: 1001, entries: [agentMessage('é'.repeat(3 * 1024 * 1024))] });
    expect((await log.read(ref)).map((entry) => entry.seq)).toEqual(Array.from({ length: 1002 }, (_, i) => i + 1));
  });

  it('keeps keys that mean something to MongoDB', async () => {
    const input = { $set: { 'a.b': 1 }, $where: 'x', 'x.y': [{ $inc: 1 }], '': null };
    const call: NewEntry = {
      event: { id: newId('sevt'), type: 'agent.custom_tool_use', name: 't', input, processed_at: '' },
    };
    await log.append({ ...ref, after: 0, entries: [call] });
    await log.append({ ...ref, after: 1, entries: [idle()] });
    expect((await log.read(ref))[0]?.event).toEqual(call.event);
    expect((await log.query({ ...ref, order: 'asc', limit: 1 }))[0]?.event).toEqual(call.event);
  });

  it('tells the listener what landed, and nothing of what did not', async () => {
    const entries = await log.appendInputs(ref, [userMessage('a')]);
    await log.append({ ...ref, after: 5, entries: [idle()] }).catch(() => undefined);
    await log.append({ ...ref, after: 1, entries: [], owed: false });
    expect(heard).toMatchObject([{ ref, entries, owed: true }]);
  });
});

describe('the tail', () => {
  const stored = () => database.db.collection('session_events').countDocuments({ session_id: ref.session_id });
  const tail = async () => {
    const found = await database.db.collection<LoggedDocument>('sessions').findOne({ _id: ref.session_id });
    return found?.log;
  };
  const heavy = () => note('x'.repeat(20_000));

  it('holds what was said lately, until it is heavy', async () => {
    await log.appendInputs(ref, [userMessage('a')]);
    expect(await stored()).toBe(0);
    await log.append({ ...ref, after: 1, entries: [heavy(), heavy()] });
    expect(await stored()).toBe(3);
    expect(await tail()).toMatchObject({ seq: 3, tail: [] });
    await log.append({ ...ref, after: 3, entries: [agentMessage('b')] });
    expect(await stored()).toBe(3);
    expect((await log.read(ref)).map((entry) => entry.seq)).toEqual([1, 2, 3, 4]);
    expect((await log.read(ref, 2)).map((entry) => entry.seq)).toEqual([3, 4]);
  });

  it('keeps what is appended while its older entries are copied', async () => {
    await log.appendInputs(ref, [userMessage('a')]);
    // Another process reads the tail for copying, and this one appends before it takes it out.
    const slow = createMongoLog(
      overlay(database.db, {
        collection: (name: string, ...options: []) => {
          const collection = database.db.collection(name, ...options);
          if (name !== 'session_events') return collection;
          const insertMany = async (...args: never[]): Promise<unknown> => {
            await log.appendInputs(ref, [userMessage('b')]);
            return Reflect.apply(collection.insertMany, collection, args);
          };
          return overlay(collection, { insertMany });
        },
      }),
      { appended: () => undefined },
    );
    expect(texts(await slow.query({ ...ref, order: 'asc', limit: 10 }))).toEqual(['a']);
    expect(texts(await log.read(ref))).toEqual(['a', 'b']);
    expect((await tail())?.tail).toHaveLength(1);
    expect(texts(await log.query({ ...ref, order: 'asc', limit: 10 }))).toEqual(['a', 'b']);
    expect((await tail())?.tail).toEqual([]);
  });

  it('makes room for what would not fit beside it', async () => {
    const state = { broken: true };
    const dying = otherProcess(state);
    const big = () => note('x'.repeat(7 * 1024 * 1024));
    await dying.append({ ...ref, after: 0, entries: [big()] });
    await log.append({ ...ref, after: 1, entries: [big()] });
    expect((await log.read(ref)).map((entry) => entry.seq)).toEqual([1, 2]);
  });

  it('is brought along by a claim, with the rest of the session', async () => {
    await log.appendInputs(ref, [userMessage('a')]);
    const { latest, document, head } = await claim();
    expect(texts(latest)).toEqual(['a']);
    expect(head.seq).toBe(1);
    expect(document).toMatchObject({ _id: ref.session_id, workspace_id: WORKSPACE });
  });
});

describe('a closed session', () => {
  it('takes no inputs, and says why', async () => {
    await log.append({ ...ref, after: 0, entries: [terminated()] });
    await expect(log.appendInputs(ref, [userMessage('late')])).rejects.toThrow('is terminated: it takes no events');
    const other = await newSession();
    await database.db
      .collection<LoggedDocument>('sessions')
      .updateOne({ _id: other.session_id }, { $set: { 'log.closed': true } });
    await expect(log.appendInputs(other, [userMessage('late')])).rejects.toThrow('is archived: it takes no events');
    expect((await log.head(other)).seq).toBe(0);
  });
});

describe('the head', () => {
  it('shows status, stop reason and usage without the log being read', async () => {
    expect(await log.head(ref)).toEqual({ seq: 0, status: 'idle', stop_reason: null, owed: false, lease_token: 0 });
    await log.append({ ...ref, after: 0, entries: [running()] });
    expect(await log.head(ref)).toMatchObject({ seq: 1, status: 'running' });
    await log.append({ ...ref, after: 1, entries: [usage('7'), idle()] });
    expect(await log.head(ref)).toMatchObject({ seq: 3, status: 'idle', stop_reason: { type: 'end_turn' } });
    await log.append({ ...ref, after: 3, entries: [terminated()] });
    expect((await log.head(ref)).status).toBe('terminated');
    const stored = await database.db.collection<LoggedDocument>('sessions').findOne({ _id: ref.session_id });
    expect(stored?.log).toMatchObject({ usage: { list_cost: { amount: '7' } }, undelivered: true });
  });

  it('moves in one write with its events: a reader sees all of an append or nothing', async () => {
    const reader = otherProcess();
    let done = false;
    const reading = (async () => {
      while (!done) {
        const entries = await reader.read(ref);
        expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, i) => i + 1));
        // Appends are of three.
        expect(entries.length % 3).toBe(0);
      }
    })();
    for (let after = 0; after < 90; after += 3) {
      await log.append({ ...ref, after, entries: [note('1'), note('2'), note('3')] });
    }
    done = true;
    await reading;
    expect(await reader.read(ref)).toHaveLength(90);
  });
});

describe('appenders at the same time', () => {
  it('lose, double and reorder nothing, from several processes', async () => {
    const processes = [log, otherProcess(), otherProcess()];
    const sent = Array.from({ length: 60 }, (_, i) => `m${i}`);
    await Promise.all(
      sent.map((text, i) => (processes[i % 3] ?? log).appendInputs(ref, [userMessage(text), userMessage(`${text}+`)])),
    );
    const read = texts(await log.read(ref));
    expect(read.toSorted()).toEqual(sent.flatMap((text) => [text, `${text}+`]).toSorted());
    for (let i = 0; i < read.length; i += 2) expect(read[i + 1]).toBe(`${read[i]}+`);
    expect(texts(await log.query({ ...ref, order: 'asc', limit: 1000 }))).toEqual(read);
  });

  it('lets one of two through that saw the same', async () => {
    const tries = ['a', 'b', 'c', 'd'].map((text) => log.append({ ...ref, after: 0, entries: [agentMessage(text)] }));
    const results = await Promise.allSettled(tries);
    expect(results.filter((one) => one.status === 'fulfilled')).toHaveLength(1);
    expect(await log.read(ref)).toHaveLength(1);
  });

  it('holds through every interleaving with crashes between the head and the copy of its events', async () => {
    const step = fc.record({
      process: fc.nat(2),
      crash: fc.boolean(),
      count: fc.integer({ min: 1, max: 3 }),
      input: fc.boolean(),
      look: fc.constantFrom('read', 'query', 'none'),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 3 }), { maxLength: 8 }), async (rounds) => {
        ref = await newSession();
        const states = [0, 1, 2].map(() => ({ broken: false }));
        const logs = states.map(otherProcess);
        const acknowledged = new Set<string>();
        for (const round of rounds) {
          await Promise.all(
            round.map(async ({ process, crash, count, input, look }) => {
              const [one, state] = [logs[process] ?? log, states[process] ?? { broken: false }];
              state.broken = crash;
              const entries = Array.from({ length: count }, () => (input ? userMessage('m') : note('n')));
              try {
                const landed = input
                  ? await one.appendInputs(ref, entries)
                  : await one.append({ ...ref, after: (await one.head(ref)).seq, entries });
                for (const { event } of landed) acknowledged.add(event.id);
              } catch (error) {
                // Somebody was faster, or an earlier copy could not be made up for: in either case nothing landed.
                if (!(error instanceof LogMovedError) && !state.broken) throw error;
              }
              if (look === 'none') return;
              const seen =
                look === 'read'
                  ? await one.read(ref)
                  : await one.query({ ...ref, order: 'asc', limit: 1000, include_internal: true }).catch(() => []);
              expect(seen.map((entry) => entry.seq)).toEqual(seen.map((_, i) => i + 1));
            }),
          );
        }
        const entries = await log.read(ref);
        expect(entries.map((entry) => entry.seq)).toEqual(entries.map((_, i) => i + 1));
        expect(new Set(entries.map((entry) => entry.event.id))).toEqual(acknowledged);
        expect(await log.query({ ...ref, order: 'asc', limit: 1000, include_internal: true })).toEqual(entries);
      }),
      cases(40),
    );
  });
});

describe('a process that dies after its append landed and before it was copied', () => {
  it('has lost nothing: others read it, list it and go on', async () => {
    const dying = otherProcess({ broken: true });
    const landed = await dying.appendInputs(ref, [userMessage('a'), userMessage('b')]);
    expect(await log.read(ref)).toEqual(landed);
    expect(await log.query({ ...ref, order: 'desc', limit: 10 })).toEqual(landed.toReversed());
    await log.append({ ...ref, after: 2, entries: [agentMessage('c')] });
    expect(texts(await otherProcess().read(ref))).toEqual(['a', 'b', 'c']);
  });

  it('has marked its inputs as processed all the same', async () => {
    const [input] = await log.appendInputs(ref, [userMessage('a')]);
    const id = input?.event.id ?? '';
    const state = { broken: false };
    const dying = otherProcess(state);
    await dying.query({ ...ref, order: 'asc', limit: 1 });
    state.broken = true;
    await dying.append({ ...ref, after: 1, entries: [processed(id)] });
    const [listed] = await log.query({ ...ref, order: 'asc', limit: 1 });
    expect(listed?.event).toMatchObject({ id, processed_at: expect.stringMatching(/^\d{4}-/) });
  });
});

describe('the lease', () => {
  it('is one holder’s at a time', async () => {
    const { lease, head, taken_over } = await claim('wkr_a');
    expect({ head, taken_over }).toMatchObject({ head: { seq: 0, lease_token: 1 }, taken_over: false });
    expect(await log.claim(ref, 'wkr_b', TTL)).toBeNull();
    expect(await log.claim(ref, 'wkr_a', TTL)).toBeNull();
    await log.release(lease);
    expect(await claim('wkr_b')).toMatchObject({ lease: { token: 2 }, taken_over: false });
  });

  it('goes to one of many who want it', async () => {
    const tries = await Promise.all(Array.from({ length: 12 }, (_, i) => otherProcess().claim(ref, `wkr_${i}`, TTL)));
    expect(tries.filter((one) => one !== null)).toHaveLength(1);
  });

  it('runs out by the database’s clock, whatever this process believes', async () => {
    await claim('wkr_a', 1);
    const taken = await eventually(() => claim('wkr_b'));
    expect(taken).toMatchObject({ lease: { token: 2, holder: 'wkr_b' }, taken_over: true });
  });

  it('that ran out stays with its holder for who wants only a free one', async () => {
    const { lease } = await claim('wkr_a', 1);
    await new Promise((resolve) => setTimeout(resolve, 2));
    expect(await log.claim(ref, 'wkr_a', TTL, null, 'free')).toBeNull();
    await log.release(lease);
    expect(await log.claim(ref, 'wkr_a', TTL, null, 'free')).toMatchObject({ taken_over: false });
  });

  it('does not run out while it is renewed, and tells where the log stands', async () => {
    const { lease } = await claim('wkr_a', 1);
    // Late but not too late: nobody has taken it.
    expect(await log.renew(lease, TTL)).toMatchObject({ seq: 0, owed: false });
    expect(await log.claim(ref, 'wkr_b', TTL)).toBeNull();
    await log.appendInputs(ref, [userMessage('x')]);
    expect(await log.renew(lease, TTL)).toMatchObject({ seq: 1, owed: true });
  });

  it('fences: who lost it appends nothing, even having seen the right place', async () => {
    const old = await claim('wkr_a', 1);
    const current = await eventually(() => claim('wkr_b'));
    const entries = [agentMessage('from the past')];
    const late = log.append({ ...ref, after: 0, entries, lease: old.lease });
    await expect(late).rejects.toBeInstanceOf(LeaseLostError);
    await expect(otherProcess().append({ ...ref, after: 7, entries, lease: old.lease })).rejects.toBeInstanceOf(
      LeaseLostError,
    );
    expect(await log.renew(old.lease, TTL)).toBeNull();
    await log.release(old.lease);
    expect(await log.claim(ref, 'wkr_c', TTL)).toBeNull();
    await log.append({ ...ref, after: 0, entries: [agentMessage('now')], lease: current.lease });
    expect(texts(await log.read(ref))).toEqual(['now']);
  });

  it('fences also who gave it back', async () => {
    const { lease } = await claim('wkr_a');
    await log.append({ ...ref, after: 0, entries: [idle()], lease, owed: false, release: true });
    const next = await claim('wkr_b');
    await expect(log.append({ ...ref, after: 1, entries: [idle()], lease })).rejects.toBeInstanceOf(LeaseLostError);
    expect(next.taken_over).toBe(false);
    expect(await log.renew(lease, TTL)).toBeNull();
  });

  it('lets inputs in beside its holder, who then has to look again', async () => {
    const { lease } = await claim();
    await log.appendInputs(ref, [userMessage('steer')]);
    const blind = log.append({ ...ref, after: 0, entries: [agentMessage('x')], lease });
    await expect(blind).rejects.toBeInstanceOf(LogMovedError);
    await log.append({ ...ref, after: 1, entries: [agentMessage('x')], lease });
    expect(texts(await log.read(ref))).toEqual(['steer', 'x']);
  });

  it('of two holders in a row lets one write, in every order of their writes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 8 }), async (turns) => {
        ref = await newSession();
        const old = await claim('wkr_old', 1);
        const fresh = await eventually(() => claim('wkr_new'));
        const logs = { old: otherProcess(), fresh: otherProcess() };
        for (const isOld of turns) {
          const after = (await log.head(ref)).seq;
          const entries = [agentMessage(isOld ? 'old' : 'new')];
          const lease = isOld ? old.lease : fresh.lease;
          const attempt = logs[isOld ? 'old' : 'fresh'].append({ ...ref, after, entries, lease });
          if (isOld) await expect(attempt).rejects.toBeInstanceOf(LeaseLostError);
          else await attempt;
        }
        expect(texts(await log.read(ref))).toEqual(turns.filter((isOld) => !isOld).map(() => 'new'));
      }),
      cases(15),
    );
  });
});

describe('an opening', () => {
  const opening = (over: Partial<Opening> = {}): Opening => ({
    after: 1,
    knows: 0,
    entries: [running(), agentMessage('$set: {}')],
    where: {},
    ...over,
  });

  beforeEach(async () => {
    await log.appendInputs(ref, [userMessage('hi')]);
    heard = [];
  });

  it('lands with the claim, and both are told of', async () => {
    const claimed = await log.claim(ref, 'wkr_a', TTL, opening());
    expect(claimed).toMatchObject({
      lease: { ...ref, token: 1, holder: 'wkr_a' },
      head: { seq: 3, status: 'running', owed: true, lease_token: 1 },
      opened: true,
      taken_over: false,
      document: { _id: ref.session_id },
    });
    const whole = await log.read(ref);
    expect(texts(whole)).toEqual(['hi', 'session.status_running', '$set: {}']);
    expect(claimed?.latest).toEqual(whole);
    expect(heard).toMatchObject([{ entries: whole.slice(1), owed: false }]);
    expect(await log.claim(ref, 'wkr_b', TTL)).toBeNull();
    expect(await log.renew(claimed?.lease ?? never(), TTL)).toMatchObject({ seq: 3 });
  });

  it('brings back only what its holder does not know', async () => {
    const claimed = await log.claim(ref, 'wkr_a', TTL, opening({ knows: 1 }));
    expect(claimed?.latest.map(({ seq }) => seq)).toEqual([2, 3]);
  });

  it('weighs what an append weighs', async () => {
    const twin = await newSession();
    await log.appendInputs(twin, [userMessage('hi')]);
    await log.claim(ref, 'wkr_a', TTL, opening());
    await log.append({ ...twin, after: 1, entries: opening().entries });
    const sessions = database.db.collection<LoggedDocument>('sessions');
    const [one, other] = await Promise.all([ref, twin].map((of) => sessions.findOne({ _id: of.session_id })));
    const { lease: _one, tail: _tail, last_event_at: _at, ...head } = one?.log ?? never();
    const { lease: _other, tail: _others, last_event_at: _then, ...otherHead } = other?.log ?? never();
    expect(head).toEqual(otherHead);
  });

  it.each<[string, Partial<Opening>, () => Promise<unknown>]>([
    ['the log stands elsewhere', {}, () => log.appendInputs(ref, [userMessage('and more')])],
    ['the log is closed', {}, () => log.append({ ...ref, after: 1, entries: [terminated()] })],
    [
      'the document says otherwise',
      { where: { budget: null } },
      () =>
        database.db.collection<LoggedDocument>('sessions').updateOne({ _id: ref.session_id }, { $set: { budget: {} } }),
    ],
    [
      'the tail has no room',
      {},
      () =>
        database.db
          .collection<LoggedDocument>('sessions')
          .updateOne({ _id: ref.session_id }, { $set: { 'log.tail_bytes': MAX_TAIL_BYTES } }),
    ],
  ])('does not land where %s: the claim does, as ever', async (_name, over, before) => {
    await before();
    const { seq } = await log.head(ref);
    const claimed = await log.claim(ref, 'wkr_a', TTL, opening(over));
    expect(claimed).toMatchObject({ opened: false, head: { seq, lease_token: 1 }, lease: { token: 1 } });
    expect((await log.head(ref)).seq).toBe(seq);
  });

  it('does not land where somebody holds the lease, or let it run out', async () => {
    await claim('wkr_a', 1);
    const taken = await eventually(async () => (await log.claim(ref, 'wkr_b', TTL, opening())) ?? never());
    expect(taken).toMatchObject({ opened: false, taken_over: true, head: { seq: 1 } });
    expect(await log.claim(ref, 'wkr_c', TTL, opening())).toBeNull();
    expect((await log.head(ref)).seq).toBe(1);
  });

  it('of many that want it lands once', async () => {
    const tries = Array.from({ length: 12 }, (_, i) => otherProcess().claim(ref, `wkr_${i}`, TTL, opening()));
    const claimed = (await Promise.all(tries)).filter((one) => one !== null);
    expect(claimed).toMatchObject([{ opened: true }]);
    expect((await log.head(ref)).seq).toBe(3);
  });
});

function never(): never {
  throw new Error('There is none');
}

describe('sessions that are owed a turn', () => {
  const isOwed = async () => (await log.owed(1000)).some((one) => one.session_id === ref.session_id);

  it('are those with new input that nobody holds', async () => {
    expect(await isOwed()).toBe(false);
    await log.appendInputs(ref, [userMessage('x')]);
    expect(await log.owed(1000)).toContainEqual({ ...ref, lane: '' });
    const { lease } = await claim();
    expect(await isOwed()).toBe(false);
    await log.release(lease);
    expect(await isOwed()).toBe(true);
    const again = await claim();
    await log.append({ ...ref, after: 1, entries: [idle()], lease: again.lease, owed: false, release: true });
    expect(await isOwed()).toBe(false);
  });

  it('are also those whose holder let the lease run out', async () => {
    await log.appendInputs(ref, [userMessage('x')]);
    await claim('wkr_lost', 1);
    await eventually(async () => expect(await isOwed()).toBe(true));
  });

  it('are not forgotten when input arrives as a turn ends', async () => {
    const { lease } = await claim();
    await log.appendInputs(ref, [userMessage('late')]);
    const ending = log.append({ ...ref, after: 0, entries: [idle()], lease, owed: false, release: true });
    await expect(ending).rejects.toBeInstanceOf(LogMovedError);
    expect((await log.head(ref)).owed).toBe(true);
  });

  it('come page by page, each once', async () => {
    for (let i = 0; i < 3; i++) await log.appendInputs(await newSession(), [userMessage('x')]);
    const all = await log.owed(1000);
    const paged: typeof all = [];
    for (let page = await log.owed(2); page.length > 0; page = await log.owed(2, page.at(-1)?.session_id)) {
      expect(page.length).toBeLessThanOrEqual(2);
      paged.push(...page);
    }
    expect(paged).toEqual(all);
  });
});

describe('lists', () => {
  it('filter by type, place and time, either way round', async () => {
    const first = await log.append({ ...ref, after: 0, entries: [userMessage('a'), note('n'), agentMessage('b')] });
    await log.append({ ...ref, after: 3, entries: [agentMessage('c')] });
    const query = (filter: object) => log.query({ ...ref, order: 'asc', limit: 10, ...filter });
    expect(texts(await query({}))).toEqual(['a', 'b', 'c']);
    expect(await query({ include_internal: true })).toHaveLength(4);
    expect(texts(await query({ types: ['deckhand.note'] }))).toEqual(['deckhand.note']);
    expect(texts(await query({ types: ['agent.message'], order: 'desc' }))).toEqual(['c', 'b']);
    expect(texts(await query({ after_seq: 1 }))).toEqual(['b', 'c']);
    expect(texts(await query({ before_seq: 3 }))).toEqual(['a']);
    expect(texts(await query({ limit: 2 }))).toEqual(['a', 'b']);
    const at = first[0]?.created_at ?? new Date();
    expect(texts(await query({ created: { gte: at } }))).toEqual(['a', 'b', 'c']);
    expect(await query({ created: { lt: at } })).toEqual([]);
  });

  it('show an input as processed although somebody copied it before it was, and got no further', async () => {
    const [input] = await log.appendInputs(ref, [userMessage('a')]);
    if (input === undefined) throw new Error('Nothing was appended');
    await database.db.collection<EventDocument>('session_events').insertOne(toDocument(ref, input));
    const [mark] = await log.append({ ...ref, after: 1, entries: [processed(input.event.id)] });
    const [listed] = await log.query({ ...ref, order: 'asc', limit: 1 });
    expect(listed?.event.processed_at).toBe(mark?.event.processed_at);
  });

  it('show an input as processed from then on, and the log keeps both', async () => {
    const [input] = await log.appendInputs(ref, [userMessage('a')]);
    const id = input?.event.id ?? '';
    const [mark] = await log.append({ ...ref, after: 1, entries: [processed(id)] });
    const [listed] = await log.query({ ...ref, order: 'asc', limit: 1 });
    expect(listed?.event).toMatchObject({ processed_at: mark?.event.processed_at });
    expect((await log.read(ref)).map(({ event }) => event.type)).toEqual(['user.message', 'deckhand.input_processed']);
  });
});
