import { once } from 'node:events';
import { get, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import Anthropic from '@anthropic-ai/sdk';
import express from 'express';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ADMISSION, createAdmission } from '../../../src/api/admission.ts';
import { authenticate } from '../../../src/api/auth.ts';
import { ensureDefaults } from '../../../src/resources/defaults.ts';
import { type ApiServer, refusal, startApiServer } from '../../support/api-server.ts';
import { deferred } from '../../support/deferred.ts';
import { agentMessage, idle } from '../../support/entries.ts';
import { eventually } from '../../support/eventually.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';

const MEBIBYTE = 1_048_576;

let database: TestDatabase;
let server: ApiServer;
let base: { agent: string; environment_id: string };

async function serve(limits: Parameters<typeof startApiServer>[1]): Promise<void> {
  server = await startApiServer(database.db, limits);
  const defaults = await ensureDefaults(server);
  base = { agent: defaults.agent_id, environment_id: defaults.environment_id };
}

beforeEach(async () => {
  database = await testDatabase();
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

interface Options {
  bytes: number;
  method?: string;
  path?: string;
  headers?: Record<string, string>;
}

/** A request whose body does not end before the test says so. */
async function beginRequest({ bytes, method = 'POST', path = '/sessions', headers = {} }: Options) {
  const body = JSON.stringify({ ...base, title: 'x' });
  const sent = { 'x-api-key': server.key, 'content-length': bytes, ...headers };
  const sending = request(`${server.url}/v1${path}`, { method, headers: sent, agent: false });
  const answered = once(sending, 'response');
  sending.write(body.slice(0, 1));
  return {
    async end(): Promise<number | undefined> {
      sending.end(body.slice(1).padEnd(bytes - 1));
      const [response] = await answered;
      response.resume();
      return response.statusCode;
    },
  };
}

type Begun = Awaited<ReturnType<typeof beginRequest>>;

/** Requests that have been let in and do not end. */
async function fill(requests: Options[]): Promise<Begun[]> {
  const open = await Promise.all(requests.map(beginRequest));
  await eventually(() => expect(server.bodiesBeingRead()).toBe(requests.length));
  return open;
}

describe('more requests than a gateway takes on', () => {
  it('are told to come again, in the API’s own words, and succeed when there is room', async () => {
    await serve({ limits: { requests_of_workspace: 2 } });
    const open = await fill([{ bytes: 200 }, { bytes: 200 }]);
    const error = await refusal(server.client.beta.sessions.list());
    expect(error.status).toBe(429);
    expect(error.type).toBe('rate_limit_error');
    expect(error.headers?.get('retry-after')).toBe('1');
    // The SDK of a client that retries waits as it is told.
    const patient = new Anthropic({ baseURL: server.url, apiKey: server.key, maxRetries: 5 });
    const listed = patient.beta.sessions.list();
    expect(await Promise.all(open.map((one) => one.end()))).toEqual([200, 200]);
    expect((await listed).data).toBeInstanceOf(Array);
  });

  it('of one workspace leave room for another', async () => {
    await serve({ limits: { requests_of_workspace: 1 } });
    const { key } = await server.keys.create('wrkspc_other', 'other');
    const open = await fill([{ bytes: 200 }]);
    expect((await refusal(server.client.beta.sessions.list())).status).toBe(429);
    expect((await server.clientWith(key).beta.sessions.list()).data).toEqual([]);
    expect(await Promise.all(open.map((one) => one.end()))).toEqual([200]);
  });

  it('of one workspace are counted by what they weigh, and leave room for another', async () => {
    await serve({ limits: { body_bytes_of_workspace: 3 * MEBIBYTE } });
    const { key } = await server.keys.create('wrkspc_other', 'other');
    const large = { ...base, title: 'y', metadata: { padding: 'x'.repeat(2 * MEBIBYTE) } };
    const open = await fill([{ bytes: 2 * MEBIBYTE }]);
    expect((await refusal(server.client.beta.sessions.create(large))).status).toBe(429);
    // It is read, and refused for what it says.
    expect((await refusal(server.clientWith(key).beta.sessions.create(large))).status).toBe(400);
    expect(await Promise.all(open.map((one) => one.end()))).toEqual([200]);
  });

  it('are counted by what they weigh', async () => {
    await serve({ limits: { body_bytes: 3 * MEBIBYTE } });
    const large = { ...base, title: 'y', metadata: { padding: 'x'.repeat(2 * MEBIBYTE) } };
    const open = await fill([{ bytes: 2 * MEBIBYTE }]);
    const error = await refusal(server.client.beta.sessions.create(large));
    expect(error.type).toBe('rate_limit_error');
    expect((await server.client.beta.sessions.list()).data).toBeInstanceOf(Array);
    expect(await Promise.all(open.map((one) => one.end()))).toEqual([200]);
  });

  it.each<[string, number, number, Options]>([
    ['a path like a stream’s', 3, 404, { bytes: 2 * MEBIBYTE, path: '/x/events/stream' }],
    ['a stream’s path', 3, 404, { bytes: 2 * MEBIBYTE, path: '/sessions/sesn_none/events/stream' }],
    ['a stream', 3, 404, { bytes: 2 * MEBIBYTE, method: 'GET', path: '/sessions/sesn_none/events/stream' }],
    ['what unpacks to more', 9, 400, { bytes: 100, headers: { 'content-encoding': 'gzip' } }],
  ])('are counted by what they weigh, also for %s', async (_what, room, status, options) => {
    await serve({ limits: { body_bytes: room * MEBIBYTE } });
    const open = await fill([options]);
    expect(await (await beginRequest(options)).end()).toBe(429);
    expect(await Promise.all(open.map((one) => one.end()))).toEqual([status]);
    await eventually(async () => expect(await (await beginRequest(options)).end()).toBe(status));
  });

  it('are requests until they are streams', async () => {
    await serve({ limits: { requests: 1 } });
    const { id } = await server.client.beta.sessions.create(base);
    const [opening] = await fill([{ bytes: 200, method: 'GET', path: `/sessions/${id}/events/stream` }]);
    expect((await refusal(server.client.beta.sessions.list())).status).toBe(429);
    expect(await opening?.end()).toBe(200);
    expect((await server.client.beta.sessions.list()).data).toHaveLength(1);
  });

  it('take nothing when their clients have gone before they are let in', async () => {
    await serve({});
    const [knocked, left, checked] = [deferred<void>(), deferred<void>(), deferred<void>()];
    const verify = async () => {
      knocked.resolve();
      await checked.promise;
      return { key_id: 'key_1', workspace_id: 'wrkspc_default', name: 'one' };
    };
    const app = express();
    app.use((_req, res, next) => {
      res.once('close', () => left.resolve());
      next();
    });
    app.use(authenticate({ verify }), createAdmission({ ...ADMISSION, requests: 1 }).request);
    app.use((_req, res) => res.end());
    const other = app.listen(0, '127.0.0.1');
    await once(other, 'listening');
    const options = { port: (other.address() as AddressInfo).port, headers: { 'x-api-key': 'x' }, agent: false };
    const leaving = get(options).on('error', () => undefined);
    await knocked.promise;
    leaving.destroy();
    await left.promise;
    checked.resolve();
    const [answer]: IncomingMessage[] = await once(get(options), 'response');
    expect(answer?.statusCode).toBe(200);
    other.close();
  });
});

/** An open stream of this session: what its messages are called, up to the end of the run. */
async function watch(id: string): Promise<{ seen: Promise<string[]> }> {
  const headers = { 'x-api-key': server.key };
  const [response]: IncomingMessage[] = await once(
    get(`${server.url}/v1/sessions/${id}/events/stream`, { headers, agent: false }),
    'response',
  );
  if (response?.statusCode !== 200) throw new Error(`The stream answered ${response?.statusCode}`);
  let text = '';
  const seen = new Promise<string[]>((resolve) => {
    response.setEncoding('utf8').on('data', (part: string) => {
      text += part;
      if (!text.includes('event: session.status_idle')) return;
      resolve([...text.matchAll(/event: agent\.message\ndata: .*?"id":"(\w+)"/g)].map((match) => match[1] ?? ''));
      response.destroy();
    });
  });
  return { seen };
}

describe('a thousand open streams', () => {
  const SESSIONS = 10;
  const WATCHERS = 100;

  it('all get every event', { timeout: 120_000 }, async () => {
    await serve({});
    const ids: string[] = [];
    for (let n = 0; n < SESSIONS; n++) ids.push((await server.client.beta.sessions.create(base)).id);
    const watching: Array<Promise<{ seen: Promise<string[]> }>> = [];
    for (const id of ids) for (let n = 0; n < WATCHERS; n++) watching.push(watch(id));
    const open = await Promise.all(watching);
    const expected: string[][] = [];
    for (const id of ids) {
      const messages = [agentMessage('a'), agentMessage('b'), agentMessage('c')];
      for (const [seq, message] of messages.entries()) {
        await server.log.append({ ...server.ref(id), after: seq, entries: [message] });
      }
      await server.log.append({ ...server.ref(id), after: messages.length, entries: [idle()] });
      const said = messages.map((message) => message.event.id);
      expected.push(...Array.from({ length: WATCHERS }, () => said));
    }
    expect(await Promise.all(open.map((one) => one.seen))).toEqual(expected);
  });

  it('of one workspace leave room for another', async () => {
    await serve({ limits: { streams_of_workspace: 1 } });
    const { key } = await server.keys.create('wrkspc_other', 'other');
    const { id } = await server.client.beta.sessions.create(base);
    const open = await server.client.beta.sessions.events.stream(id);
    expect((await refusal(server.client.beta.sessions.events.stream(id))).status).toBe(429);
    // Let in: the session is not one of that workspace.
    expect((await refusal(server.clientWith(key).beta.sessions.events.stream(id))).status).toBe(404);
    open.controller.abort();
  });

  it('are as many as a gateway takes', async () => {
    await serve({ limits: { streams: 1 } });
    const { id } = await server.client.beta.sessions.create(base);
    const first = await server.client.beta.sessions.events.stream(id);
    await expect(server.client.beta.sessions.events.stream(id)).rejects.toMatchObject({ status: 429 });
    first.controller.abort();
    await eventually(async () => {
      const second = await server.client.beta.sessions.events.stream(id);
      second.controller.abort();
    });
  });
});
