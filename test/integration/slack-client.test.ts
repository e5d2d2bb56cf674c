import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createBoltLogger } from '../../connectors/slack/bolt-logger.ts';
import { createSlackClient } from '../../connectors/slack/client.ts';
import { silentLogger } from '../../src/logger.ts';

/** A Slack that takes every request and never answers. */
const silent = createServer(() => undefined);

beforeEach(async () => {
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
});

afterEach(async () => {
  vi.useRealTimers();
  silent.closeAllConnections();
  await new Promise((resolve) => silent.close(resolve));
});

function call(signal: AbortSignal): Promise<unknown> {
  const api_url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/api/`;
  const client = createSlackClient({ token: 'xoxb-1', api_url, logger: createBoltLogger(silentLogger) });
  return client.call((web) => web.auth.test(), signal);
}

it('waits fifteen seconds for Slack, and no longer', async () => {
  const arrived = once(silent, 'request');
  const asked = call(new AbortController().signal);
  const failed = expect(asked).rejects.toThrow('It was not done within 15000 ms');
  let over = false;
  asked.catch(() => {
    over = true;
  });
  await arrived;
  await vi.advanceTimersByTimeAsync(14_999);
  await setImmediate();
  expect(over).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  await failed;
});

it('waits no longer than it may', async () => {
  const arrived = once(silent, 'request');
  const may = new AbortController();
  const failed = expect(call(may.signal)).rejects.toThrow('no longer wanted');
  await arrived;
  may.abort(new Error('no longer wanted'));
  await failed;
});
