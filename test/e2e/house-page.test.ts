import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { openBrowser, openWindow } from '../support/browser.ts';
import { eventually } from '../support/eventually.ts';
import { buildHouse, type House } from '../support/house.ts';
import { startTestModel, type TestModel } from '../support/model.ts';
import { type ConsolePage, openConsole } from '../support/page.ts';

/** A step takes well under a second; a loaded machine gets more. */
const PATIENCE_MS = 15_000;

let browser: Browser;
let house: House;
let model: TestModel;
let url: string;
let windows: BrowserContext[] = [];
let pages: ConsolePage[] = [];

beforeAll(async () => {
  model = await startTestModel();
  // No DECKHAND_API_KEY: as on a laptop, where a name signs in.
  house = await buildHouse({
    DECKHAND_API_KEY: '',
    ANTHROPIC_API_KEY: 'test',
    ANTHROPIC_BASE_URL: model.base_url,
  });
  [browser, { url }] = await Promise.all([openBrowser(), house.start()]);
}, 60_000);

afterAll(async () => {
  await browser.close();
  await house[Symbol.asyncDispose]();
  await model[Symbol.asyncDispose]();
});

beforeEach(() => {
  windows = [];
  pages = [];
  model.forget();
});

afterEach(async () => {
  const complaints = pages.flatMap((page) => page.complaints);
  await Promise.all(windows.map((window) => window.close()));
  expect(complaints).toEqual([]);
});

async function enter(name: string, path = '/'): Promise<ConsolePage> {
  const window = await openWindow(browser);
  window.setDefaultTimeout(PATIENCE_MS);
  windows.push(window);
  const page = await openConsole(window, url);
  pages.push(page);
  await page.goto(path);
  await page.signIn(name);
  return page;
}

/** What the model was asked last, as text. */
function lastRequest(): string {
  return JSON.stringify(model.requests.at(-1)?.messages);
}

/**
 * An answer that begins when the page shows that the agent works (so that somebody watches from its first word) and
 * stops after some words until the returned function is called.
 */
function answerHeld(page: ConsolePage, text: string, after_words: number): () => void {
  let release: () => void = () => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  model.reply(async () => {
    await page.status.waitFor();
    return { text, hold: { after_words, released } };
  });
  return release;
}

/** Nothing runs any more. */
async function rests(page: ConsolePage): Promise<void> {
  await page.stop.waitFor({ state: 'hidden' });
  await page.status.waitFor({ state: 'hidden' });
}

/** Makes the file that a command in a sandbox of this house waits for. */
async function letGo(): Promise<void> {
  const workspaces = join(house.data_dir, 'p1', 'sandboxes', 'workspaces');
  for (const session of await readdir(workspaces)) {
    if (session.startsWith('sesn_')) await writeFile(join(workspaces, session, 'files', 'go'), '');
  }
}

test('a text streams in as the model writes it', async () => {
  const ana = await enter('Ana');
  const release = answerHeld(ana, 'The first half and the second half.', 3);
  await ana.say('Tell me both halves');
  await ana.message('The first half').waitFor();
  expect(await ana.message('The first half').innerText()).not.toContain('second');
  await ana.stop.waitFor();
  release();
  await ana.message('The first half and the second half.').waitFor();
  await rests(ana);
  expect(await ana.messages.count()).toBe(2);
});

test('a reason for a refusal reaches the model', async () => {
  const ana = await enter('Ana');
  model.reply(
    { text: 'Cleaning up.', tool_uses: [{ name: 'bash', input: { command: 'rm -rf build' } }] },
    { text: 'Then only the cache.' },
  );
  await ana.say('clean up');
  await ana.approvals.getByRole('heading', { name: 'Run a command that deletes files (rm)' }).waitFor();
  await ana.approvals.getByRole('button', { name: 'Deny…' }).click();
  await ana.approvals.getByRole('textbox', { name: /Why not/ }).fill('Too broad: only build/cache');
  await ana.approvals.getByRole('textbox', { name: /Why not/ }).press('Enter');
  await ana.approvals.getByText('Denied by Ana').waitFor();
  await ana.message('Then only the cache.').waitFor();
  expect(model.requests).toHaveLength(2);
  expect(lastRequest()).toContain('Too broad: only build/cache');
  expect(lastRequest()).toContain('Denied by Ana');
  await rests(ana);
});

test('Stop keeps what was said, says who stopped it, and the next message works', async () => {
  const ana = await enter('Ana');
  const release = answerHeld(ana, 'One two three four.', 2);
  await ana.say('Count for me');
  await ana.message('One two').waitFor();
  await ana.stop.click();
  await ana.message('Stopped by Ana').waitFor();
  await rests(ana);
  release();
  await eventually(async () => expect(await ana.composer.isEnabled()).toBe(true), PATIENCE_MS);
  expect(await ana.message('One two').innerText()).not.toContain('three');

  model.reply({ text: 'Going on from two.' });
  await ana.say('Go on');
  await ana.message('Going on from two.').waitFor();
  // The model sees what it had said.
  expect(lastRequest()).toContain('One two');
  expect(await ana.transcript()).toHaveLength(5);
  const before = await ana.transcript();
  await ana.page.reload();
  await ana.message('Going on from two.').waitFor();
  expect(await ana.transcript()).toEqual(before);
});

test('a reload in the middle of an answer shows the same and goes on', async () => {
  const ana = await enter('Ana');
  const release = answerHeld(ana, 'Alpha beta gamma delta.', 2);
  await ana.say('The letters, please');
  await ana.message('Alpha beta').waitFor();
  const before = await ana.transcript();
  await ana.page.reload();
  await ana.message('Alpha beta').waitFor();
  await ana.stop.waitFor();
  expect(await ana.transcript()).toEqual(before);
  release();
  await ana.message('Alpha beta gamma delta.').waitFor();
  await rests(ana);
  expect(model.requests).toHaveLength(1);
});

test('two people share a conversation, and the model knows who speaks', async () => {
  const ana = await enter('Ana');
  model.reply({ text: 'Hello Ana.' });
  await ana.say('Look at this with Ben and me');
  await ana.message('Hello Ana.').waitFor();

  const ben = await enter('Ben', `/c/${await ana.conversationId()}`);
  await ben.message('Hello Ana.').waitFor();
  const release = answerHeld(ben, 'Hello Ben, nice to meet you.', 2);
  await ben.say('Here I am');
  await ana.message('Here I am').waitFor();
  await Promise.all([ana, ben].map((person) => person.message('Hello Ben,').waitFor()));
  release();
  await Promise.all([ana, ben].map((person) => person.message('nice to meet you.').waitFor()));
  await Promise.all([ana, ben].map(rests));
  expect(await ana.transcript()).toEqual(await ben.transcript());
  expect(lastRequest()).toMatch(/<sender name=\\"Ana\\"[^>]*>.*Look at this.*<sender name=\\"Ben\\"[^>]*>.*Here I am/);
});

test('an error of the model is said in words, and the conversation goes on after it', async () => {
  const ana = await enter('Ana');
  model.fail(401, { message: 'invalid x-api-key' });
  await ana.say('Anybody there?');
  await ana.message(/refused the API key.*invalid x-api-key.*ANTHROPIC_API_KEY/).waitFor();
  await rests(ana);
  model.reply({ text: 'Back again.' });
  await ana.say('And now?');
  await ana.message('Back again.').waitFor();
});

test('the output of a long command appears while it runs, and folds out after', async () => {
  const ana = await enter('Ana');
  const go = 'while [ ! -e go ]; do sleep 0.1; done';
  model.reply(
    { tool_uses: [{ name: 'bash', input: { command: `echo counting; ${go}; echo counted` } }] },
    { text: 'All counted.' },
  );
  await ana.say('count the files');
  await ana.approvals.getByRole('button', { name: 'Approve' }).click();
  await ana.activities.getByText('counting', { exact: true }).waitFor();
  expect(await ana.activities.getAttribute('data-status')).toBe('running');
  await letGo();
  await ana.message('All counted.').waitFor();
  await ana.page.locator('[data-testid=activity][data-status=done]').waitFor();
  await ana.activities.getByRole('button').first().click();
  await ana.activities.getByRole('group', { name: 'Output' }).filter({ hasText: 'counted' }).waitFor();
});
