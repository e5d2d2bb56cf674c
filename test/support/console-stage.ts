import type { Browser, BrowserContextOptions } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import type { WebConnectorOptions } from '../../connectors/web/index.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { openBrowser, openWindow } from './browser.ts';
import { type ConsolePage, openConsole } from './page.ts';
import { type BuiltPage, buildPage } from './page-build.ts';
import { type Crew, createCrew } from './scripted-crew.ts';
import { type TestDatabase, testDatabase } from './services.ts';
import { startWebServer, type WebServer } from './web-server.ts';

/** A running web chat, a crew behind it, and browser windows before it. */
export interface ConsoleStage {
  readonly crew: Crew;
  readonly server: WebServer;
  readonly database: TestDatabase;
  /** A new window of this person, signed in. */
  enter(name: string, options?: BrowserContextOptions): Promise<ConsolePage>;
  /** A new window of nobody yet, at this path. */
  visit(path?: string, options?: BrowserContextOptions): Promise<ConsolePage>;
  /** The conversation a window shows. */
  keyOf(console: ConsolePage): Promise<ConversationKey>;
  /** Complaints of the browser that this test is about. */
  expectComplaints(pattern: RegExp): void;
}

/** Sets the stage anew for each test of the calling file; a test fails when its pages complained. */
export function useConsoleStage(options: Partial<WebConnectorOptions> = {}): ConsoleStage {
  let browser: Browser;
  let built: BuiltPage;
  let database: TestDatabase;
  let server: WebServer;
  let crew: Crew;
  let consoles: ConsolePage[] = [];
  let expected: RegExp[] = [];

  beforeAll(async () => {
    [browser, built] = await Promise.all([openBrowser(), buildPage()]);
  });

  afterAll(async () => {
    await browser.close();
    await built[Symbol.asyncDispose]();
  });

  beforeEach(async () => {
    database = await testDatabase();
    crew = createCrew();
    server = await startWebServer(database.db, crew, { page_dir: built.dir, ...options });
    crew.connector = server.connector;
    consoles = [];
    expected = [];
  });

  afterEach(async () => {
    const complaints = consoles.flatMap((console) => console.complaints);
    await Promise.all(consoles.map((console) => console.page.context().close()));
    await server[Symbol.asyncDispose]();
    await database[Symbol.asyncDispose]();
    expect(complaints.filter((each) => !expected.some((pattern) => pattern.test(each)))).toEqual([]);
  });

  async function visit(path = '/', windowOptions: BrowserContextOptions = {}): Promise<ConsolePage> {
    const opened = await openConsole(await openWindow(browser, windowOptions), server.url);
    consoles.push(opened);
    await opened.goto(path);
    return opened;
  }

  return {
    get crew() {
      return crew;
    },
    get server() {
      return server;
    },
    get database() {
      return database;
    },
    visit,
    async enter(name, windowOptions) {
      const opened = await visit('/', windowOptions);
      await opened.signIn(name);
      return opened;
    },
    keyOf: async (console) => ({
      connector: 'web',
      tenant: 'local',
      channel: 'web',
      thread: await console.conversationId(),
    }),
    expectComplaints: (pattern) => expected.push(pattern),
  };
}
