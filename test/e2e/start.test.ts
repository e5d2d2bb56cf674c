import { expect, test } from 'vitest';
import { buildHouse } from '../support/house.ts';

const TIMEOUT = { timeout: 60_000 };

test('a port that is taken is said in words, with what to do', TIMEOUT, async () => {
  await using house = await buildHouse();
  const first = await house.start('gateway');
  const second = house.start('gateway', { PORT: new URL(first.url).port });
  await expect(second).rejects.toThrow(/Deckhand cannot start: Nothing can listen on .*\n.*set PORT/);
  await expect(second).rejects.not.toThrow(/\n\s+at /);
});
