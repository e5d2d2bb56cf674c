import { expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House, type HouseProcess } from '../support/house.ts';
import { openSession } from '../support/house-session.ts';
import { type Link, linkTo } from '../support/link.ts';
import { startTestModel, type TestModel } from '../support/model.ts';

/** Both drivers look again within a second or two; the rest is for a busy machine. */
const PATIENCE_MS = 20_000;

interface Scene {
  house: House;
  model: TestModel;
  mongo: Link;
  redis: Link;
  deckhand: HouseProcess;
  send(text: string): Promise<void>;
  /** Until Claude has said this and the session rests. */
  said(text: string): Promise<void>;
}

/** One process with both roles, and a session, over links to the services that may be cut. */
async function onScene(story: (scene: Scene) => Promise<void>, before?: (redis: Link) => void): Promise<void> {
  await using model = await startTestModel();
  await using mongo = await linkTo(inject('mongodb_uri'));
  await using redis = await linkTo(inject('redis_url'));
  before?.(redis);
  await using house = await buildHouse({
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
    MONGODB_URI: mongo.uri,
    REDIS_URL: redis.uri,
  });
  const deckhand = await house.start();
  const session = await openSession(house, deckhand);
  await story({
    house,
    model,
    mongo,
    redis,
    deckhand,
    send: session.say,
    said: (text) =>
      eventually(async () => {
        const all = await session.events();
        const there = all.some((event) => event.type === 'agent.message' && JSON.stringify(event).includes(text));
        if (!there || all.at(-1)?.type !== 'session.status_idle') {
          throw new Error(`Not said: ${text}\n${JSON.stringify(all, null, 1)}\n${deckhand.output()}`);
        }
      }, PATIENCE_MS),
  });
}

test('a turn that Redis was lost in ends, and the next message finds its worker', { timeout: 200_000 }, () =>
  onScene(async ({ model, redis, send, said }) => {
    const held = model.replyHeld({ text: 'one two three' });
    await send('first');
    await held.asked;
    redis.cut();
    held.release();
    await said('three');
    model.reply({ text: 'Found.' });
    await send('second');
    redis.mend();
    await said('Found.');
  }),
);

test('a turn that MongoDB was lost in goes on when it is back', { timeout: 200_000 }, () =>
  onScene(async ({ model, mongo, deckhand, send, said }) => {
    const held = model.replyHeld({ text: 'one two three' });
    await send('first');
    await held.asked;
    mongo.cut();
    held.release();
    await eventually(async () => {
      if (mongo.refused() < 1) throw new Error(`MongoDB was not missed:\n${deckhand.output()}`);
    }, PATIENCE_MS);
    model.otherwise({ text: 'Back again.' });
    mongo.mend();
    await said('');
    await send('second');
    await said('Back again.');
  }),
);

for (const service of ['redis', 'mongo'] as const) {
  test(`a process without ${service} can still be stopped`, { timeout: 200_000 }, () =>
    onScene(async (scene) => {
      scene.model.otherwise({ text: 'Hello.' });
      await scene.send('first');
      await scene.said('Hello.');
      const link = scene[service];
      link.cut();
      // Whatever it does by itself now and then is waiting for the service by now.
      await eventually(async () => {
        if (link.refused() < 1) throw new Error('The service was not missed');
      }, PATIENCE_MS);
      const started = performance.now();
      expect(await scene.deckhand.stop()).toBe(0);
      expect(performance.now() - started).toBeLessThan(20_000);
    }),
  );
}

test('Redis may come after Deckhand', { timeout: 200_000 }, () =>
  onScene(
    async ({ model, redis, send, said }) => {
      model.otherwise({ text: 'Here you are.' });
      await send('first');
      redis.mend();
      await said('Here you are.');
    },
    (redis) => redis.cut(),
  ),
);
