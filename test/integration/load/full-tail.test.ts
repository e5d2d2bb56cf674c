import { BSON, type Db } from 'mongodb';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { agentCreateSchema, configFrom } from '../../../src/resources/agent-config.ts';
import type { NewEntry } from '../../../src/session/event.ts';
import { MAX_APPEND_BYTES, type SessionLog, type SessionRef } from '../../../src/session/log.ts';
import type { LoggedDocument } from '../../../src/session/log-document.ts';
import { MAX_TAIL_BYTES } from '../../../src/session/log-tail.ts';
import { additionOf } from '../../../src/session/log-update.ts';
import { createMongoLog } from '../../../src/session/mongo-log.ts';
import { type ChatStage, chatStage } from '../../support/chat-stage.ts';
import { note } from '../../support/entries.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MEBIBYTE = 1_048_576;
/** MongoDB's own limit of one document. */
const MAX_DOCUMENT_BYTES = 16 * MEBIBYTE;

let database: TestDatabase;
let stage: ChatStage;
let ref: SessionRef;
/** What the session's document weighed after each of its appends, and what it says of its tail. */
let weights: Array<{ document: number; tail: number; said: number }>;
let copying: { works: boolean };
let log: SessionLog;

beforeEach(async () => {
  database = await testDatabase();
  stage = await chatStage(database.db);
  ref = await stage.session();
  // The largest agent that a session may have stands beside its tail.
  const schema = { type: 'object', properties: { x: { const: 'x'.repeat(MEBIBYTE - 2_000) } } };
  const tools = [{ type: 'custom', name: 'ask', description: 'd', input_schema: schema }];
  const config = configFrom(agentCreateSchema.parse({ name: 'large', model: 'claude-sonnet-5-5', tools }));
  expect(() =>
    configFrom(agentCreateSchema.parse({ name: 'l', model: 'm', system: 'x'.repeat(2_000), tools })),
  ).toThrow();
  await sessions().updateOne({ _id: ref.session_id }, { $set: { 'agent.tools': config.tools } } as object);
  weights = [];
  copying = { works: true };
  log = createMongoLog(watched(database.db), { appended: () => undefined });
});

afterEach(async () => {
  await database[Symbol.asyncDispose]();
});

function sessions() {
  return database.db.collection<LoggedDocument>('sessions');
}

async function weigh(): Promise<void> {
  const found = await sessions().findOne({ _id: ref.session_id });
  if (found === null) throw new Error('It is gone');
  const tail = BSON.calculateObjectSize({ tail: found.log.tail });
  weights.push({ document: BSON.calculateObjectSize(found), tail, said: found.log.tail_bytes });
}

/** The database, looked at after each append, and with copies that fail while the test says so. */
function watched(db: Db): Db {
  const replaced = <T extends object>(target: T, methods: Record<string, unknown>): T =>
    new Proxy(target, {
      get(of, name) {
        if (typeof name === 'string' && name in methods) return methods[name];
        const value: unknown = Reflect.get(of, name, of);
        return typeof value === 'function' ? value.bind(of) : value;
      },
    });
  return replaced(db, {
    collection(name: string, ...options: []) {
      const real = db.collection(name, ...options);
      const findOneAndUpdate = async (...args: never[]) => {
        const answer: unknown = await Reflect.apply(real.findOneAndUpdate, real, args);
        await weigh();
        return answer;
      };
      const insertMany = (...args: never[]): unknown =>
        copying.works ? Reflect.apply(real.insertMany, real, args) : Promise.reject(new Error('no copies now'));
      return replaced(real, name === 'sessions' ? { findOneAndUpdate } : { insertMany });
    },
  });
}

/** A batch of so many events that weighs exactly this much, stored. */
function batch(bytes: number, events = 1): NewEntry[] {
  const others = Array.from({ length: events - 1 }, () => note('x'));
  const empty = additionOf([...others, note('')]).bytes;
  return [...others, note('x'.repeat(bytes - empty))];
}

function expectRoom(): void {
  for (const { document, tail, said } of weights) {
    expect(document).toBeLessThan(MAX_DOCUMENT_BYTES);
    expect(tail).toBeLessThanOrEqual(MAX_TAIL_BYTES + MEBIBYTE);
    // Never believed lighter than it is, but for the names of its places.
    expect(tail).toBeLessThanOrEqual(said + 10_000);
  }
}

async function expectWhole(count: number): Promise<void> {
  const entries = await stage.log.read(ref);
  expect(entries.map((entry) => entry.seq)).toEqual(Array.from({ length: count }, (_, n) => n + 1));
}

describe('a tail', () => {
  it('takes what there is room for to the last byte, and no more before it is copied', async () => {
    copying.works = false;
    await log.append({ ...ref, after: 0, entries: batch(MAX_APPEND_BYTES) });
    const rest = MAX_TAIL_BYTES - MAX_APPEND_BYTES;
    await expect(log.append({ ...ref, after: 1, entries: batch(rest + 1) })).rejects.toThrow('no copies now');
    await log.append({ ...ref, after: 1, entries: batch(rest, 1_000) });
    expect(weights.at(-1)?.said).toBe(MAX_TAIL_BYTES);
    // It is full: the smallest has to wait, and nothing of it stays.
    await expect(log.append({ ...ref, after: 1_001, entries: [note('one')] })).rejects.toThrow('no copies now');
    await expect(log.appendInputs(ref, [note('two')])).rejects.toThrow('no copies now');
    await expectWhole(1_001);
    copying.works = true;
    await log.append({ ...ref, after: 1_001, entries: [note('three')] });
    await expectWhole(1_002);
    expectRoom();
  });

  it('has room for the largest append after any other, with one and with a thousand events', async () => {
    const sizes = [MAX_APPEND_BYTES, 60_000, MAX_APPEND_BYTES, 4 * MEBIBYTE, 4 * MEBIBYTE + 1, MAX_APPEND_BYTES];
    let count = 0;
    for (const [index, size] of sizes.entries()) {
      // Every other batch finds the tail as the one before left it.
      copying.works = index % 2 === 1;
      const events = index % 3 === 1 ? 300 : 1;
      const entries = batch(size, events);
      const appended = log.append({ ...ref, after: count, entries });
      await appended.catch(async () => {
        copying.works = true;
        await log.append({ ...ref, after: count, entries });
      });
      count += events;
    }
    await expectWhole(count);
    expectRoom();
  });

  it('never overflows when several append the largest at once', { timeout: 60_000 }, async () => {
    const inputs = Array.from({ length: 4 }, () => log.appendInputs(ref, batch(MAX_APPEND_BYTES)));
    const lighter = Array.from({ length: 4 }, () => log.appendInputs(ref, batch(3 * MEBIBYTE, 10)));
    const lease = await log.claim(ref, 'wkr_1', 60_000);
    if (lease === null) throw new Error('Nobody holds it');
    await Promise.all([...inputs, ...lighter]);
    const { seq } = await log.head(ref);
    await log.append({ ...ref, after: seq, lease: lease.lease, entries: batch(MAX_APPEND_BYTES), release: true });
    await expectWhole(4 + 40 + 1);
    expectRoom();
  });
});
