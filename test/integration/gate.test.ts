import { randomUUID } from 'node:crypto';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { MongoClient, MongoNetworkError } from 'mongodb';
import { afterEach, beforeEach, expect, inject, test } from 'vitest';
import { type Gate, mongoGate, redisGate } from '../support/gate/gate.ts';
import { hadEffect, type MongoCommand } from '../support/gate/mongo-wire.ts';
import { type TestDatabase, testDatabase } from '../support/services.ts';

let database: TestDatabase;
let gate: Gate<MongoCommand>;
let client: MongoClient;

beforeEach(async () => {
  database = await testDatabase();
  gate = await mongoGate(inject('mongodb_uri'));
  client = await new MongoClient(gate.uri).connect();
});

afterEach(async () => {
  await client.close(true);
  await gate[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

/** Through the gate. */
const things = () => client.db(database.name).collection<{ _id: number; text: string }>('things');
/** Past it. */
const stored = () => database.db.collection('things').find().toArray();
const insertOf = (id: number) => (command: MongoCommand) =>
  command.name === 'insert' && command.body['documents']?.[0]?._id === id;

test('a held request is not written before it is released, and everything else passes', async () => {
  const held = gate.holdRequest(insertOf(1));
  const written = things().insertOne({ _id: 1, text: 'held' });
  expect(await held.reached).toMatchObject({ name: 'insert', collection: 'things', database: database.name });
  await things().insertOne({ _id: 2, text: 'passes' });
  expect(await stored()).toEqual([{ _id: 2, text: 'passes' }]);
  held.release();
  await written;
  expect(await stored()).toHaveLength(2);
});

test('a held answer is of something that is written', async () => {
  const held = gate.holdAnswer(insertOf(1));
  let acknowledged = false;
  const written = things()
    .insertOne({ _id: 1, text: 'held' })
    .then(() => {
      acknowledged = true;
    });
  await held.reached;
  expect(await stored()).toHaveLength(1);
  expect(acknowledged).toBe(false);
  held.release();
  await written;
});

test('whoever watches is told of each answer, and whether its command had an effect', async () => {
  await things().insertOne({ _id: 1, text: 'there' });
  const effects: boolean[] = [];
  const end = gate.watch(
    ({ collection }) => collection === 'things',
    (answer) => effects.push(hadEffect(answer)),
  );
  const missing = { _id: 9 };
  const set = { $set: { text: 'new' } };
  await things().insertOne({ _id: 2, text: 'new' });
  await things()
    .insertOne({ _id: 2, text: 'again' })
    .catch(() => undefined);
  for (const which of [missing, { _id: 1 }]) await things().updateOne(which, set);
  await things().updateOne({ _id: 1 }, set);
  await things().updateOne({ _id: 3 }, set, { upsert: true });
  for (const which of [missing, { _id: 1 }]) await things().findOneAndUpdate(which, set);
  await things().findOneAndUpdate({ _id: 4 }, set, { upsert: true });
  expect(effects).toEqual([true, false, false, true, false, true, false, true, true]);
  end();
  await things().insertOne({ _id: 5, text: 'unseen' });
  expect(effects).toHaveLength(9);
});

test('a request that is held when its client dies is never written', async () => {
  const held = gate.holdRequest(insertOf(1));
  const failed = expect(things().insertOne({ _id: 1, text: 'held' })).rejects.toThrow();
  await held.reached;
  await client.close(true);
  gate.cut();
  held.release();
  await failed;
  expect(await stored()).toEqual([]);
});

test('an answer that is lost breaks its connection, as often as it is asked for', async () => {
  const mend = gate.loseAnswers((command) => command.name === 'insert');
  await expect(things().insertOne({ _id: 1, text: 'lost' })).rejects.toThrow(MongoNetworkError);
  await expect(things().insertOne({ _id: 2, text: 'lost' })).rejects.toThrow(MongoNetworkError);
  mend();
  await things().insertOne({ _id: 3, text: 'heard' });
  expect(await stored()).toHaveLength(3);
});

test('documents of megabytes pass whole, in both directions', async () => {
  const text = 'x'.repeat(2_000_000);
  await things().insertMany([1, 2, 3].map((_id) => ({ _id, text })));
  const found = await things().find().toArray();
  expect(found.map((one) => one.text.length)).toEqual([2_000_000, 2_000_000, 2_000_000]);
});

test('Redis: a request, an answer and a message to a subscriber', async () => {
  await using redis = await redisGate(inject('redis_url'));
  const key = `t_${randomUUID()}`;
  const near = new Redis(redis.uri);
  const past = new Redis(inject('redis_url'));
  try {
    const unsent = redis.holdRequest(({ name, args }) => name === 'SET' && args[0] === key);
    const set = near.set(key, 'one');
    expect(await unsent.reached).toEqual({ name: 'SET', args: [key, 'one'] });
    expect(await past.get(key)).toBeNull();
    unsent.release();
    await set;
    const unanswered = redis.holdAnswer(({ name }) => name === 'APPEND');
    const answers = Promise.all([near.ping(), near.append(key, ' two'), near.get(key)]);
    await unanswered.reached;
    expect(await past.get(key)).toBe('one two');
    unanswered.release();
    expect(await answers).toEqual(['PONG', 7, 'one two']);

    const heard = new Promise((resolve) => near.on('message', (_channel, text) => resolve(text)));
    await near.subscribe(key);
    await past.publish(key, 'told');
    expect(await heard).toBe('told');
  } finally {
    await past.del(key);
    near.disconnect();
    past.disconnect();
  }
});

test('Redis: a queue works through the gate, and stands still while its job is held', async () => {
  await using redis = await redisGate(inject('redis_url'));
  const name = `t_${randomUUID()}`;
  const connection = { url: redis.uri, maxRetriesPerRequest: null };
  const queue = new Queue<{ text: string }>(name, { connection });
  const taken: string[] = [];
  let onTaken: () => void = () => undefined;
  const both = new Promise<void>((resolve) => {
    onTaken = () => taken.length === 2 && resolve();
  });
  const worker = new Worker<{ text: string }>(
    name,
    async (job) => {
      taken.push(job.data.text);
      onTaken();
    },
    { connection },
  );
  try {
    await worker.waitUntilReady();
    const held = redis.holdRequest(({ args }) => args.some((arg) => arg.includes('"held"')));
    const added = queue.add('job', { text: 'held' });
    expect((await held.reached).name).toMatch(/^EVAL/);
    expect(taken).toEqual([]);
    held.release();
    await added;
    await queue.add('job', { text: 'next' });
    await both;
    expect(taken).toEqual(['held', 'next']);
  } finally {
    await worker.close();
    await queue.obliterate({ force: true });
    await queue.close();
  }
});
