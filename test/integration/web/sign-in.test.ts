import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { WebConnectorOptions } from '../../../connectors/web/index.ts';
import type { SessionInfo } from '../../../connectors/web/wire.ts';
import { createRecordingReceiver } from '../../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';
import { createWebClient } from '../../support/web-client.ts';
import { startWebServer, type WebServer } from '../../support/web-server.ts';

let database: TestDatabase;
const servers: WebServer[] = [];

beforeEach(async () => {
  database = await testDatabase();
});

afterEach(async () => {
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

async function start(options: Partial<WebConnectorOptions> = {}): Promise<WebServer> {
  const server = await startWebServer(database.db, createRecordingReceiver(), options);
  servers.push(server);
  return server;
}

/** Node's fetch sets Host itself. */
function statusFor(url: string, headers: Record<string, string>, method = 'GET'): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${url}/web/session`, { headers, method }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    request.on('error', reject);
    request.end();
  });
}

describe('signing in', () => {
  it('takes a name alone on this computer, and is the same person next time', async () => {
    const { url } = await start();
    const first = createWebClient(url);
    await first.signIn('  Ana   Lima ');
    const again = createWebClient(url);
    await again.signIn('ana lima');
    const info = await first.call<SessionInfo>('GET', '/web/session');
    expect(info.person).toEqual({ id: 'ana-lima', name: 'Ana Lima' });
    expect((await again.call<SessionInfo>('GET', '/web/session')).person?.id).toBe('ana-lima');
  });

  it('asks for the API key elsewhere, and takes only the right one', async () => {
    const { url } = await start({ open_sign_in: false });
    const client = createWebClient(url);
    expect((await client.call<SessionInfo>('GET', '/web/session')).key_required).toBe(true);
    for (const key of [undefined, '', 'dk_wrong']) {
      const refused = await client.request('POST', '/web/session', { name: 'Ana', ...(key !== undefined && { key }) });
      expect(refused.status).toBe(401);
      expect(refused.headers.get('set-cookie')).toBeNull();
    }
    await client.signIn('Ana', 'dk_right');
    expect((await client.call<SessionInfo>('GET', '/web/session')).person?.name).toBe('Ana');
  });

  it('hands the browser a cookie that scripts and other sites cannot use, and keeps only its hash', async () => {
    const { url } = await start();
    const response = await createWebClient(url).request('POST', '/web/session', { name: 'Ana' });
    const cookie = response.headers.get('set-cookie') ?? '';
    expect(cookie).toMatch(/HttpOnly/);
    expect(cookie).toMatch(/SameSite=Strict/);
    const token = /deckhand_session=([^;]+)/.exec(cookie)?.[1] ?? '';
    expect(token.length).toBeGreaterThanOrEqual(43);
    const stored = JSON.stringify(await database.db.collection('web_sign_ins').find().toArray());
    expect(stored).toContain('ana');
    expect(stored).not.toContain(token);
  });

  it('ends with signing out, also for who kept the cookie', async () => {
    const { url } = await start();
    const client = createWebClient(url);
    const response = await client.request('POST', '/web/session', { name: 'Ana' });
    const cookie = response.headers.get('set-cookie')?.split(';')[0] ?? '';
    await client.request('DELETE', '/web/session');
    const kept = await fetch(`${url}/web/conversations`, { headers: { cookie } });
    expect(kept.status).toBe(401);
  });

  it('serves nothing but the sign-in to strangers', async () => {
    const { url } = await start();
    const stranger = createWebClient(url);
    for (const [method, path] of [
      ['GET', '/web/agents'],
      ['GET', '/web/conversations'],
      ['POST', '/web/conversations'],
      ['GET', '/web/events'],
      ['GET', '/web/anything'],
    ] as const) {
      expect((await stranger.request(method, path, method === 'POST' ? {} : undefined)).status).toBe(401);
    }
  });

  it.each([
    ['', 'Say who you are.'],
    ['<b>', 'Letters'],
    ['x'.repeat(61), 'At most 60'],
  ])('explains why %j is no name', async (name, words) => {
    const { url } = await start();
    const response = await createWebClient(url).request('POST', '/web/session', { name });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      error: { code: 'invalid_input', path: 'name', message: expect.stringContaining(words) },
    });
  });
});

describe('other sites', () => {
  it('may not send anything in a person’s name', async () => {
    const { url } = await start();
    const client = createWebClient(url);
    await client.signIn('Ana');
    for (const origin of ['http://evil.example', 'null', url.replace('http:', 'http:').replace(/\d+$/, '1')]) {
      const response = await client.request('POST', '/web/conversations', { client_id: 'client-0001' }, { origin });
      expect(response.status).toBe(403);
    }
    expect(await database.db.collection('web_conversations').countDocuments()).toBe(0);
    expect(await statusFor(url, { 'content-type': 'application/json' }, 'POST')).toBe(403);
  });

  it('cannot reach a page without a key by giving this computer a name of theirs', async () => {
    const { url } = await start();
    const { port } = new URL(url);
    expect(await statusFor(url, { host: `evil.example:${port}` })).toBe(421);
    expect(await statusFor(url, { host: `127.0.0.1.evil.example:${port}` })).toBe(421);
    expect(await statusFor(url, { host: `localhost:${port}` })).toBe(200);
    expect(await statusFor(url, { host: `[::1]:${port}` })).toBe(200);
  });

  it('may name a page that asks for a key as they like', async () => {
    const { url } = await start({ open_sign_in: false });
    expect(await statusFor(url, { host: 'deckhand.example' })).toBe(200);
  });

  it('cannot frame the page, and the page loads nothing of theirs', async () => {
    const { url } = await start();
    const { headers } = await fetch(`${url}/web/session`);
    const policy = headers.get('content-security-policy') ?? '';
    for (const rule of ["default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "img-src 'self' data:"]) {
      expect(policy).toContain(rule);
    }
    expect(headers.get('x-content-type-options')).toBe('nosniff');
    expect(headers.get('cache-control')).toBe('no-store');
  });
});
