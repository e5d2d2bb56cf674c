import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createRecordingReceiver } from '../../support/recording-receiver.ts';
import { type TestDatabase, testDatabase } from '../../support/services.ts';
import { startWebServer, type WebServer } from '../../support/web-server.ts';

let database: TestDatabase;
let server: WebServer;
let page_dir: string;

beforeEach(async () => {
  database = await testDatabase();
  page_dir = await mkdtemp(join(tmpdir(), 'deckhand-page-'));
  server = await startWebServer(database.db, createRecordingReceiver(), { page_dir });
});

afterEach(async () => {
  await server[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
  await rm(page_dir, { recursive: true });
});

async function build(): Promise<void> {
  await mkdir(join(page_dir, 'assets'));
  await writeFile(join(page_dir, 'index.html'), '<!doctype html>the page');
  await writeFile(join(page_dir, 'assets', 'index-abc123.js'), 'export {};');
  await writeFile(join(page_dir, 'theme.js'), '// theme');
}

describe('the page', () => {
  it.each(['/', `/c/conv_${'0'.repeat(32)}`])('is its HTML at %s, asked for anew each time', async (path) => {
    await build();
    const response = await fetch(`${server.url}${path}`);
    expect(await response.text()).toContain('the page');
    expect(response.headers.get('content-type')).toMatch(/^text\/html/);
    expect(response.headers.get('cache-control')).toBe('no-cache');
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'");
  });

  it('lets browsers keep the files whose names carry their hash', async () => {
    await build();
    const response = await fetch(`${server.url}/assets/index-abc123.js`);
    expect(response.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    expect((await fetch(`${server.url}/theme.js`)).headers.get('cache-control')).toBe('no-cache');
  });

  it('leaves other addresses to the rest of the server, and its own folder to nobody', async () => {
    await build();
    for (const path of ['/v1/agents', '/assets/none.js', '/assets/%2e%2e/index.html', '/index.html']) {
      expect((await fetch(`${server.url}${path}`)).status).toBe(404);
    }
  });

  it('says how to build it when it is not built', async () => {
    const response = await fetch(server.url);
    expect(response.status).toBe(503);
    expect(await response.text()).toContain('npm run build');
  });
});
