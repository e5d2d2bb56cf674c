import type { BrowserContext, Locator, Page } from 'playwright-core';

/** The console as a person uses it: by what is written on it, never by how it is built. */
export interface ConsolePage {
  readonly page: Page;
  /** What the browser complained about: script errors and refused requests. */
  readonly complaints: string[];
  readonly composer: Locator;
  readonly send: Locator;
  readonly stop: Locator;
  readonly messages: Locator;
  readonly approvals: Locator;
  readonly activities: Locator;
  readonly status: Locator;
  readonly list: Locator;
  goto(path?: string): Promise<void>;
  signIn(name: string, key?: string): Promise<void>;
  /** Writes and presses Enter. */
  say(text: string): Promise<void>;
  /** The conversation in the address; waits until there is one. */
  conversationId(): Promise<string>;
  /** A message by some of its words. */
  message(text: string | RegExp): Locator;
  /** Everything in the thread, as read from top to bottom; what is still live counts as it stands. */
  transcript(): Promise<string[]>;
}

export async function openConsole(context: BrowserContext, url: string): Promise<ConsolePage> {
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  const messages = page.getByTestId('message');

  return {
    page,
    complaints,
    composer: page.getByRole('textbox', { name: 'Message' }),
    send: page.getByRole('button', { name: 'Send' }),
    stop: page.getByRole('button', { name: 'Stop' }),
    messages,
    approvals: page.getByTestId('approval'),
    activities: page.getByTestId('activity'),
    status: page.getByTestId('status'),
    list: page.getByRole('navigation', { name: 'Conversations' }),
    async goto(path = '/') {
      await page.goto(`${url}${path}`);
    },
    async signIn(name, key) {
      await page.getByLabel('Your name').fill(name);
      if (key !== undefined) await page.getByLabel('API key').fill(key);
      await page.getByRole('button', { name: 'Come aboard' }).click();
      await page.getByRole('textbox', { name: 'Message' }).waitFor();
    },
    async say(text) {
      const field = page.getByRole('textbox', { name: 'Message' });
      await field.fill(text);
      await field.press('Enter');
    },
    async conversationId() {
      await page.waitForURL(/\/c\/conv_/);
      return new URL(page.url()).pathname.slice('/c/'.length);
    },
    message: (text) => messages.filter({ hasText: text }),
    async transcript() {
      const texts = await page.getByRole('list').filter({ has: messages }).getByTestId('message').allInnerTexts();
      return texts.map((text) => text.replaceAll(/\s+/g, ' ').trim());
    },
  };
}
