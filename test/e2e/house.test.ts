import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openBrowser, openWindow } from '../support/browser.ts';
import { buildHouse, type House } from '../support/house.ts';
import { openConsole } from '../support/page.ts';

let browser: Browser;
let house: House;
let url: string;

beforeAll(async () => {
  browser = await openBrowser();
  // No DECKHAND_API_KEY: as on a laptop, where a name signs in.
  house = await buildHouse({ DECKHAND_API_KEY: '' });
  url = (await house.start()).url;
}, 60_000);

afterAll(async () => {
  await browser.close();
  await house[Symbol.asyncDispose]();
});

test('a person mentions the bot, watches a command, approves a risky one and reads the result', async () => {
  await using window = await openWindow(browser);
  const ana = await openConsole(window, url);
  await ana.goto();
  await ana.signIn('Ana');
  await ana.say('run `echo "hello from $(whoami)" && pwd`');
  await ana.approvals.getByRole('button', { name: 'Approve' }).click();
  await ana.message('It printed').getByText('/workspace').waitFor();

  await ana.say('run `echo plain words`');
  await ana.message('It printed').getByText('plain words').waitFor();

  await ana.say('deploy the app');
  await ana.approvals.last().getByRole('button', { name: 'Approve' }).click();
  await ana.message('It printed').getByText('deployed').waitFor();
  expect(await ana.approvals.last().innerText()).toContain('Ana');
  expect(ana.complaints).toEqual([]);

  const before = await ana.transcript();
  await ana.page.reload();
  await ana.message('It printed').getByText('deployed').waitFor();
  expect(await ana.transcript()).toEqual(before);
});
