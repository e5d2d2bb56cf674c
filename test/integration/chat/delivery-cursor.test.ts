import { setTimeout } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type CursorStore, createCursorStore } from '../../../src/chat/delivery-cursor.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const TTL_MS = 60_000;

let database: TestDatabase;
let cursors: CursorStore;

beforeAll(async () => {
  database = await testDatabase();
  cursors = createCursorStore(database.db);
});

afterAll(() => database[Symbol.asyncDispose]());

async function acquired(session_id: string, holder: string) {
  const lease = await cursors.acquire(session_id, 'wrkspc_default', holder, TTL_MS);
  if (lease === null) throw new Error(`${holder} did not get the cursor`);
  return lease;
}

test('one gateway shows a session at a time, and the next goes on where it came to', async () => {
  const first = await acquired('sesn_one', 'gateway-1');
  expect(await cursors.acquire('sesn_one', 'wrkspc_default', 'gateway-2', TTL_MS)).toBeNull();
  expect(await cursors.advance(first, 7)).toBe(true);
  expect(await cursors.renew(first, TTL_MS)).toBe(first);
  await cursors.release(first);
  expect(await acquired('sesn_one', 'gateway-2')).toMatchObject({ seq: 7 });
});

test('a renewal that comes after the release holds nothing back', async () => {
  const lease = await acquired('sesn_two', 'gateway-1');
  await cursors.release(lease);
  expect(await cursors.renew(lease, TTL_MS)).toBeNull();
  await acquired('sesn_two', 'gateway-2');
});

test('whoever takes over hears for how long the lease before had run out', async () => {
  const lost = await cursors.acquire('sesn_three', 'wrkspc_default', 'gateway-1', 1);
  expect(lost?.lapsed_ms).toBeNull();
  const since = Date.now();
  await setTimeout(100);
  const next = await acquired('sesn_three', 'gateway-2');
  // By the database's clock, in whole milliseconds.
  expect(next.lapsed_ms).toBeGreaterThanOrEqual(90);
  expect(next.lapsed_ms).toBeLessThanOrEqual(Date.now() - since + 1_000);
  await cursors.release(next);
  expect((await acquired('sesn_three', 'gateway-1')).lapsed_ms).toBeNull();
});
