import { expect, inject, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { buildHouse } from '../support/house.ts';
import { linkTo } from '../support/link.ts';

const TIMEOUT = { timeout: 60_000 };

test('a port that is taken is said in words, with what to do', TIMEOUT, async () => {
  await using house = await buildHouse();
  const first = await house.start('gateway');
  const second = house.start('gateway', { PORT: new URL(first.url).port });
  await expect(second).rejects.toThrow(/Deckhand cannot start: Nothing can listen on .*\n.*set PORT/);
  await expect(second).rejects.not.toThrow(/\n\s+at /);
});

test('a password that Redis refuses is in no log line', TIMEOUT, async () => {
  await using redis = await linkTo(inject('redis_url'));
  await using house = await buildHouse({ REDIS_URL: redis.uri.replace('//', '//nobody:correct-horse@') });
  const deckhand = await house.start();
  await eventually(async () => {
    if (!/"turn queue connection"/.test(deckhand.output())) throw new Error('Redis was not missed');
  });
  expect(deckhand.output()).toContain('WRONGPASS');
  expect(deckhand.output()).not.toContain('correct-horse');
});
