import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createHttpServer } from '../../src/http-server.ts';
import { CASES_TIMEOUT_MS, cases } from '../support/cases.ts';
import { deferred } from '../support/deferred.ts';
import { send } from '../support/fuzz/http.ts';
import { expectCleanLog } from '../support/fuzz/logged.ts';
import { expectNoSecret, SECRETS } from '../support/fuzz/secrets.ts';
import { changedBetween } from '../support/fuzz/store-watch.ts';
import { startWorld, type World } from '../support/fuzz/world.ts';

/** What is wrong below the requests: bytes, lengths, patience. */

let world: World;

beforeAll(async () => {
  world = await startWorld();
});

afterAll(async () => {
  await world[Symbol.asyncDispose]();
});

afterEach(() => expectCleanLog(world.takeLog()));

/** Sends these bytes and returns everything that came back until the connection ended, by us unless `stay`. */
async function exchange(bytes: string | Buffer, stay = false): Promise<string> {
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1').setEncoding('latin1');
  let heard = '';
  socket.on('data', (chunk: string) => {
    heard += chunk;
  });
  // A server that has heard enough may close while more is on its way.
  socket.on('error', () => undefined);
  const closed = new Promise((resolve) => socket.once('close', resolve));
  if (stay) socket.write(bytes);
  else socket.end(bytes);
  await closed;
  return heard;
}

function statusesOf(answers: string): number[] {
  return [...answers.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map((match) => Number(match[1]));
}

const head = (method: string, path: string, headers: Record<string, string | number>) =>
  `${method} ${path} HTTP/1.1\r\nhost: x\r\nx-api-key: ${SECRETS.api_key}\r\n${Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;

const create = '{"name":"n","model":"claude-sonnet-5-5"}';
const valid =
  head('POST', '/v1/agents', { 'content-type': 'application/json', 'content-length': create.length }) + create;

describe('bytes', () => {
  const edit = fc.record({
    at: fc.nat({ max: valid.length }),
    drop: fc.nat({ max: 12 }),
    put: fc.oneof(
      fc.constantFrom(
        '\r\n',
        '\n',
        '\r',
        ' ',
        ':',
        '\0',
        '\xff',
        '\r\n\r\n',
        ';',
        '-',
        '0',
        'transfer-encoding: chunked\r\n',
      ),
      fc.string({ maxLength: 8 }),
      fc.constantFrom('x'.repeat(20_000), 'a: b\r\n'.repeat(3000)),
    ),
  });

  it(
    'that are nearly a request are answered, or the connection is closed',
    async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 3 }), async (edits) => {
          let bytes = valid;
          for (const { at, drop, put } of edits) bytes = bytes.slice(0, at) + put + bytes.slice(at + drop);
          const answers = await exchange(Buffer.from(bytes, 'latin1'));
          for (const status of statusesOf(answers)) expect(status, answers).toBeLessThan(500);
          expectNoSecret(answers, 'the answer');
        }),
        cases(60),
      );
      await world.stores.forgetNew();
    },
    CASES_TIMEOUT_MS,
  );

  it('of fifty requests at once get fifty answers', async () => {
    const one = head('GET', '/v1/agents?limit=1', {});
    const last = head('GET', '/v1/nothing', { connection: 'close' });
    const statuses = statusesOf(await exchange(one.repeat(49) + last, true));
    expect(statuses).toEqual([...Array.from({ length: 49 }, () => 200), 404]);
  });

  it.each([
    ['is there', (_response: ServerResponse) => undefined, 0],
    ['was answered', (response: ServerResponse) => response.end(), 1],
  ])(
    'of requests that do not wait for answers leave none open when their sender goes and the first %s',
    async (_what, first, answers) => {
      const waiting: Array<Promise<unknown>> = [];
      const arrived = deferred<void>();
      const server = createHttpServer((_request, response) => {
        waiting.push(once(response, 'close'));
        if (waiting.length === 1) first(response);
        if (waiting.length === 20) arrived.resolve();
      });
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
      socket.write(head('GET', '/', {}).repeat(20));
      await arrived.promise;
      for (let heard = ''; statusesOf(heard).length < answers; ) heard += String(await once(socket, 'data'));
      socket.destroy();
      await Promise.all(waiting);
      server.close();
    },
  );

  it.each([
    ['more than is promised', valid.replace('content-length: 40', 'content-length: 12')],
    ['less than is promised', valid.replace('content-length: 40', 'content-length: 4000')],
    ['two lengths', valid.replace('content-type', 'content-length: 7\r\ncontent-type')],
    ['a negative length', valid.replace('content-length: 40', 'content-length: -1')],
    ['a length and pieces', valid.replace('content-type', 'transfer-encoding: chunked\r\ncontent-type')],
    ['no host', valid.replace('host: x\r\n', '')],
    ['20,000 bytes of headers', valid.replace('host: x', `host: x\r\nx-pad: ${'x'.repeat(20_000)}`)],
    ['a path of 20,000 bytes', valid.replace('/v1/agents', `/v1/${'x'.repeat(20_000)}`)],
    ['a piece of no size', head('POST', '/v1/agents', { 'transfer-encoding': 'chunked' }) + 'zz\r\n{}\r\n0\r\n\r\n'],
  ])('with %s make nothing', async (_what, bytes) => {
    expect(valid).toContain('content-length: 40');
    const before = await world.stores.look();
    for (const status of statusesOf(await exchange(bytes))) expect(status).toBeLessThan(500);
    expect(changedBetween(before, await world.stores.look())).toEqual([]);
  });

  it('that unpack to a thousand times as many are refused', async () => {
    const headers = { 'x-api-key': SECRETS.api_key, 'content-encoding': 'gzip' };
    const body = gzipSync(Buffer.alloc(100 * 1024 * 1024, ' '));
    expect((await send(world.url, { method: 'POST', path: '/v1/agents', headers, body })).status).toBe(413);
  });
});

describe('senders without an end', () => {
  const patience = { headers: 40, request: 80, look_every: 10 };

  it.each([
    ['in the middle of a header', 'GET / HTTP/1.1\r\nhost: x\r\nx-slow'],
    ['in the middle of a body', 'POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{'],
    ['in the middle of a piece', 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{'],
  ])('%s are let go', async (_where, bytes) => {
    const server = createHttpServer((request, response) => {
      request.resume().on('end', () => response.end());
    }, patience);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
    socket.write(bytes);
    expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /);
    server.close();
    await once(server, 'close');
  });

  it('are let go by the real server, too', () => {
    const real = createHttpServer(() => undefined);
    const node = createServer();
    expect(real.headersTimeout).toBeLessThan(node.headersTimeout);
    expect(real.requestTimeout).toBeLessThan(node.requestTimeout);
  });
});
