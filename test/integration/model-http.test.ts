import { once } from 'node:events';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, expect, test } from 'vitest';
import { bodyOf, createModelFetch } from '../../src/harness/model-http.ts';
import { readEvents } from '../../src/harness/model-stream.ts';
import { eventually } from '../support/eventually.ts';

const servers: Server[] = [];

afterEach(() => {
  for (const server of servers.splice(0)) server.close().closeAllConnections();
});

async function serve(answer: (...args: Parameters<RequestListener>) => unknown): Promise<string> {
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/messages`;
}

const ask = (url: string, signal?: AbortSignal, limits = {}) =>
  createModelFetch(limits)(url, {
    method: 'post',
    headers: new Headers({ 'x-api-key': 'key', 'content-type': 'application/json' }),
    body: '{"é":1}',
    ...(signal === undefined ? {} : { signal }),
  });

test('the request goes out as it was given, and the answer comes back', async () => {
  const asked: Array<{ request: IncomingMessage; body: string }> = [];
  const url = await serve(async (request, response) => {
    asked.push({ request, body: await text(request) });
    response.writeHead(200, { 'request-id': 'req_1', 'set-cookie': ['a=1', 'b=2'] });
    response.write('one ');
    response.end('two');
  });
  const response = await ask(url);
  expect(response.status).toBe(200);
  expect(response.headers.get('request-id')).toBe('req_1');
  expect(await text(bodyOf(response))).toBe('one two');
  const [only] = asked;
  expect(only?.body).toBe('{"é":1}');
  expect(only?.request).toMatchObject({
    method: 'POST',
    url: '/v1/messages',
    headers: {
      'x-api-key': 'key',
      'content-type': 'application/json',
      'content-length': '8',
      'accept-encoding': 'identity',
    },
  });
});

test('a connection serves one request after the other', async () => {
  const ports = new Set<number | undefined>();
  const url = await serve((request, response) => {
    ports.add(request.socket.remotePort);
    request.resume().once('end', () => response.end('said'));
  });
  const fetchModel = createModelFetch();
  for (let nth = 0; nth < 3; nth += 1) {
    expect(await text(bodyOf(await fetchModel(url, { method: 'post', body: '{}' })))).toBe('said');
  }
  expect(ports.size).toBe(1);
});

test('an answer may take longer than a connection is kept idle, which then is closed', async () => {
  let closed = 0;
  const url = await serve((request, response) => {
    request.socket.once('close', () => {
      closed += 1;
    });
    response.writeHead(200).write('one ');
    setTimeout(() => response.end('two'), 150);
  });
  expect(await text(bodyOf(await ask(url, undefined, { idle_ms: 40 })))).toBe('one two');
  expect(closed).toBe(0);
  await eventually(() => expect(closed).toBe(1));
});

test('a refusal brings its words, whatever its status is', async () => {
  const url = await serve((_request, response) => void response.writeHead(429, { 'retry-after': '3' }).end('{"a":1}'));
  const response = await ask(url);
  expect([response.status, response.headers.get('retry-after'), await response.json()]).toEqual([429, '3', { a: 1 }]);
});

test('a redirection is followed, with the request', async () => {
  const to = await serve(async (request, response) => void response.end(`${request.method} ${await text(request)}`));
  const from = await serve((_request, response) => void response.writeHead(308, { location: to }).end('elsewhere'));
  expect(await text(bodyOf(await ask(from)))).toBe('POST {"é":1}');
});

test('a redirection to another host is an error, and the key stays here', async () => {
  let asked = 0;
  const to = await serve((_request, response) => {
    asked += 1;
    response.end();
  });
  const location = to.replace('127.0.0.1', 'localhost');
  const from = await serve((_request, response) => void response.writeHead(308, { location }).end('elsewhere'));
  await expect(ask(from)).rejects.toThrow('127.0.0.1 sends on to localhost');
  expect(asked).toBe(0);
});

test('a refusal that is cut short keeps its status', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(401, { 'content-length': '200' }).write('{"error"');
    setTimeout(() => response.destroy(), 20);
  });
  const response = await ask(url);
  expect([response.status, await response.text()]).toEqual([401, 'aborted']);
});

test.each([
  ['gzip', gzipSync],
  ['deflate', deflateSync],
  ['br', brotliCompressSync],
] as const)('what comes packed with %s all the same is unpacked', async (encoding, pack) => {
  const url = await serve(async (request, response) => {
    const status = request.url === '/v1/messages' ? 200 : 400;
    response.writeHead(status, { 'content-encoding': encoding }).end(pack('words'));
  });
  expect(await text(bodyOf(await ask(url)))).toBe('words');
  expect(await (await ask(`${url}/refused`)).text()).toBe('words');
});

test('an upgrade that nobody asked for, and a status that is none, are errors', async () => {
  const url = await serve((request, response) => {
    if (request.url === '/v1/messages')
      request.socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n');
    else response.writeHead(600).end();
  });
  await expect(ask(url)).rejects.toThrow('closed without an answer');
  await expect(ask(`${url}/600`)).rejects.toThrow('status 600');
});

test('a connection that was closed while the event loop was busy is not used again', async () => {
  // In a thread of its own, which goes on while this one is busy.
  const server = new Worker(
    `const { parentPort } = require('node:worker_threads');
     const server = require('node:http').createServer((request, response) => {
       response.end('here');
       setTimeout(() => request.socket.destroy(), 60);
     }).listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`,
    { eval: true },
  );
  try {
    const [port] = await once(server, 'message');
    const model = createModelFetch();
    const asks = async () => text(bodyOf(await model(`http://127.0.0.1:${port}/`, { method: 'post', body: '{}' })));
    expect(await asks()).toBe('here');
    await nextTurn();
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    expect(await asks()).toBe('here');
  } finally {
    await server.terminate();
  }
});

test('an answer without a body is an empty one', async () => {
  const url = await serve((_request, response) => void response.writeHead(204).end());
  expect(await text(bodyOf(await ask(url)))).toBe('');
});

test('nobody there is an error', async () => {
  const url = await serve(() => undefined);
  servers.pop()?.close();
  await expect(ask(url)).rejects.toThrow('ECONNREFUSED');
});

test('an answer that is cut short is an error to its reader', async () => {
  const url = await serve((_request, response) => {
    response.writeHead(200).write('one ');
    setTimeout(() => response.destroy(), 20);
  });
  const response = await ask(url);
  await expect(text(bodyOf(response))).rejects.toThrow('aborted');
});

test('silence is an error, before the answer and in the middle of it', async () => {
  const silent = await serve(() => undefined);
  await expect(ask(silent, undefined, { silence_ms: 50 })).rejects.toThrow('Nothing came for 0.05 s');
  const stuck = await serve((_request, response) => void response.writeHead(200).write('one '));
  const response = await ask(stuck, undefined, { silence_ms: 50 });
  await expect(text(bodyOf(response))).rejects.toThrow('Nothing came for 0.05 s');
});

test('an abort ends the request at once, before the answer and in the middle of it', async () => {
  let open = 0;
  const url = await serve((request, response) => {
    open += 1;
    request.socket.once('close', () => {
      open -= 1;
    });
    if (request.headers['x-api-key'] !== undefined) response.writeHead(200).write('one ');
  });
  const early = new AbortController();
  const asked = createModelFetch()(url, { method: 'post', body: '{}', signal: early.signal });
  await eventually(() => expect(open).toBe(1));
  early.abort();
  await expect(asked).rejects.toMatchObject({ name: 'AbortError' });
  await eventually(() => expect(open).toBe(0));

  const late = new AbortController();
  const response = await ask(url, late.signal);
  const read = text(bodyOf(response));
  late.abort();
  await expect(read).rejects.toThrow();
  await eventually(() => expect(open).toBe(0));
});

test('an answer that ended before anybody read it is an error, and nobody waits for it', async () => {
  const url = await serve((_request, response) => void response.writeHead(200).write('one '));
  const stop = new AbortController();
  const response = await ask(url, stop.signal);
  stop.abort();
  await nextTurn();
  await expect(readEvents(response, () => undefined)).rejects.toThrow('aborted');
});
