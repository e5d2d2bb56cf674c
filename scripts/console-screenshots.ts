import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MongoClient } from 'mongodb';
import type { BrowserContextOptions } from 'playwright-core';
import type { ConversationKey } from '../src/chat/place.ts';
import { startEmbeddedMongo } from '../src/embedded/mongo.ts';
import { silentLogger } from '../src/logger.ts';
import { bash } from '../src/tools/toolset/bash.ts';
import { openBrowser, openWindow } from '../test/support/browser.ts';
import { type ConsolePage, openConsole } from '../test/support/page.ts';
import { buildPage } from '../test/support/page-build.ts';
import { type Crew, createCrew } from '../test/support/scripted-crew.ts';
import { createWebClient } from '../test/support/web-client.ts';
import { startWebServer } from '../test/support/web-server.ts';

/**
 * Takes the pictures of the console for the README: `npx tsx scripts/console-screenshots.ts [directory]`, by default
 * into docs/. It builds the page and starts a database of its own, and leaves nothing else behind.
 */
const directory = process.argv[2] ?? fileURLToPath(new URL('../docs', import.meta.url));

const SCENE = { ask: 'The nightly build is twice as slow as last week. Can you find out why?' };

async function playScene(crew: Crew, key: ConversationKey): Promise<void> {
  await crew.activity(key, {
    status: 'done',
    detail: 'git log --since="7 days" --oneline -- build/',
    output: '8c1f2aa Pin the toolchain\n41d09be Build fixtures before every test\nf7720c3 Upgrade the bundler\n',
  });
  await crew.activity(key, {
    status: 'done',
    detail: 'hyperfine --runs 3 "npm run build"',
    output: 'Time (mean):  212.4 s\n',
  });
  await crew.say(
    key,
    [
      'Commit `41d09be` rebuilds all fixtures before **every** test file, not once a run:',
      '',
      '| step | last week | now |',
      '| --- | --- | --- |',
      '| fixtures | 4 s | 108 s |',
      '| bundle | 96 s | 98 s |',
      '',
      'Building them once, in the global set-up, gives that back:',
      '',
      '```ts',
      "// test/global-setup.ts: the fixtures' inputs decide, not the clock.",
      'export async function setup(): Promise<void> {',
      '  if (await isFresh(fixtures)) return;',
      '  await buildFixtures({ parallel: 4 });',
      '}',
      '```',
    ].join('\n'),
  );
  const { summary, detail } = bash.describe({ command: 'git push origin HEAD:nightly-fixtures' });
  await crew.approval(key, {
    summary,
    detail,
    requested_by: { id: 'ana-lima', name: 'Ana Lima' },
    approvers: 'Ana Lima or Tomasz Kern',
  });
  await crew.status(key, null);
}

async function picture(console: ConsolePage, name: string): Promise<void> {
  await console.page.mouse.move(0, 0);
  await console.page.screenshot({ path: `${directory}/${name}.png`, animations: 'disabled' });
}

const dataDir = await mkdtemp(join(tmpdir(), 'deckhand-screenshots-'));
const mongo = await startEmbeddedMongo({ data_dir: dataDir, logger: silentLogger });
const client = await MongoClient.connect(mongo.uri);
const page = await buildPage();
const crew = createCrew();
const server = await startWebServer(client.db('screenshots'), crew, { page_dir: page.dir });
crew.connector = server.connector;
const browser = await openBrowser();
await mkdir(directory, { recursive: true });

try {
  const tomasz = createWebClient(server.url);
  await tomasz.signIn('Tomasz Kern');
  const ana = createWebClient(server.url);
  await ana.signIn('Ana Lima');
  for (const title of [
    'Rotate the staging certificates',
    'Why did the import of Tuesday fail?',
    'Draft the release notes',
  ]) {
    const { id } = await ana.begin();
    await ana.say(id, title);
  }

  let shared = '';
  const views: [string, BrowserContextOptions][] = [
    ['light', { colorScheme: 'light' }],
    ['dark', { colorScheme: 'dark' }],
    ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true }],
  ];
  for (const [name, options] of views) {
    await using window = await openWindow(browser, { viewport: { width: 1280, height: 1000 }, ...options });
    const console = await openConsole(window, server.url);
    await console.goto();
    await console.signIn('Ana Lima');
    if (shared === '') {
      await console.say(SCENE.ask);
      shared = await console.conversationId();
      await console.message(SCENE.ask).waitFor();
      await tomasz.open(shared);
      await tomasz.say(shared, 'I see it on my machine too, since Wednesday or so.');
      await playScene(crew, { connector: 'web', tenant: 'local', channel: 'web', thread: shared });
    } else {
      await console.goto(`/c/${shared}`);
    }
    await console.approvals.last().waitFor();
    await console.page.waitForTimeout(200);
    await picture(console, `console-${name}`);
    if (console.complaints.length > 0) process.stderr.write(`${console.complaints.join('\n')}\n`);
  }
} finally {
  await browser.close();
  await server[Symbol.asyncDispose]();
  await page[Symbol.asyncDispose]();
  await client.close();
  await mongo.close();
  await rm(dataDir, { recursive: true, force: true });
}
