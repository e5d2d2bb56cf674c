import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openBrowser, openWindow } from '../test/support/browser.ts';
import { drawnFrom } from './pictures/drawn-from.ts';
import { pageHtml, surfaceHtml } from './pictures/surface-html.ts';

/**
 * Draws the pictures of docs/slack.md: `npm run pictures`. Each is what the connector sends, as its snapshot has it, in HTML
 * of our own through Chromium. What they were drawn from is kept beside them: a test fails when that is not so any more.
 */
const PICTURES = [
  'answer-with-feedback',
  'answer-with-table',
  'plan-channel-denied',
  'plan-channel-waiting',
  'plan-channel',
  'approval-pending',
  'approval-allowed-by-two',
  'approval-deny-modal',
  'approvals-list',
  'home-busy',
  'modal-agent-new',
  'modal-ask-about',
];

const pathOf = (path: string) => fileURLToPath(new URL(`../${path}`, import.meta.url));

await mkdir(pathOf('docs/images'), { recursive: true });
const browser = await openBrowser();
try {
  const window = await openWindow(browser, { viewport: { width: 624, height: 700 } });
  const page = await window.newPage();
  for (const name of PICTURES) {
    const snapshot: unknown = JSON.parse(await readFile(pathOf(`test/snapshots/slack/${name}.json`), 'utf8'));
    await page.setContent(pageHtml(surfaceHtml(snapshot)));
    const path = pathOf(`docs/images/slack-${name}.png`);
    await page.locator('main').screenshot({ path });
    console.log(`${path}: ${Math.ceil((await stat(path)).size / 1_000)} kB`);
  }
  await writeFile(pathOf('docs/images/slack-pictures.json'), `${JSON.stringify(drawnFrom(PICTURES), null, 2)}\n`);
} finally {
  await browser.close();
}
