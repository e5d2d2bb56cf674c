import { randomBytes } from 'node:crypto';
import type { Db } from 'mongodb';
import { pino } from 'pino';
import { createSlackConnector, type SlackConnector } from '../../../connectors/slack/index.ts';
import type { OAuthOptions } from '../../../connectors/slack/oauth.ts';
import { createConversationStore } from '../../../src/chat/conversation-store.ts';
import type { Receiver } from '../../../src/chat/inbound.ts';
import { actorIdOf, createRoles } from '../../../src/chat/roles.ts';
import { createTenantWorkspaces } from '../../../src/chat/tenant-workspaces.ts';
import { createAgents } from '../../../src/resources/agents.ts';
import { createEnvironments } from '../../../src/resources/environments.ts';
import { createSeal } from '../../../src/seal.ts';
import { testDatabase } from '../services.ts';
import { STOP_MS } from '../stop.ts';
import { type SlackHarness, serve, slackOptions, startSlackHarness } from './harness.ts';
import type { SlackServer } from './server.ts';
import type { SlackTeam } from './team.ts';

/** Seals the tokens, unless a test has another. */
export const INSTALL_KEY = randomBytes(32);

/** Nobody has a token before the app is installed. */
function installable(slack: SlackServer, db: Db, over: Partial<OAuthOptions> = {}) {
  const { client_id, client_secret } = slack.tokens;
  const seal = createSeal([INSTALL_KEY]);
  return {
    bot_token: null,
    oauth: { client_id, client_secret, teams: null, db, seal, workspaces: workspacesOf(db), ...over },
  };
}

/** As the gateway gives them out. */
export function workspacesOf(db: Db): OAuthOptions['workspaces'] {
  const tenants = createTenantWorkspaces({
    agents: createAgents(db),
    environments: createEnvironments(db),
    conversations: createConversationStore(db),
    roles: createRoles(db, []),
  });
  return {
    of: (tenant) => tenants.of('slack', tenant),
    open: (workspace_id, person) => tenants.open(workspace_id, actorIdOf('slack', { id: person })),
  };
}

/** The harness of the contract, where its workspace is one of many that may install the app. */
export async function startInstalledHarness(receiver: Receiver): Promise<SlackHarness> {
  const database = await testDatabase();
  const harness = await startSlackHarness(receiver, (slack) => installable(slack, database.db));
  await install(harness.slack, harness);
  return {
    ...harness,
    async [Symbol.asyncDispose]() {
      await harness[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** A gateway's Slack where many workspaces install the app, and what it wrote into its log. */
export interface InstallGateway extends AsyncDisposable {
  readonly connector: SlackConnector;
  readonly url: string;
  readonly log: Record<string, unknown>[];
}

export async function startInstallGateway(
  slack: SlackServer,
  db: Db,
  receiver: (connector: SlackConnector) => Receiver,
  over: Partial<OAuthOptions> & { mode?: 'socket' | 'http' } = {},
): Promise<InstallGateway> {
  const { mode = 'socket', ...oauth } = over;
  const log: Record<string, unknown>[] = [];
  const connector = createSlackConnector(
    slackOptions(slack, {
      mode,
      db,
      ...installable(slack, db, oauth),
      logger: pino({ level: 'trace' }, { write: (line: string) => void log.push(JSON.parse(line)) }),
    }),
  );
  const served = await serve(connector);
  const { url } = served;
  if (mode === 'http') slack.deliverTo(`${url}/slack/events`);
  await connector.start(receiver(connector));
  return {
    connector,
    url,
    log,
    async [Symbol.asyncDispose]() {
      await connector.stop(STOP_MS);
      await served[Symbol.asyncDispose]();
    },
  };
}

/** What a browser got. */
export interface Answer {
  status: number;
  text: string;
  /** Where it was sent. */
  location: string;
}

/** Somebody's browser: it keeps cookies, and goes nowhere by itself. */
export interface Browser {
  get(url: string): Promise<Answer>;
}

export function createBrowser(): Browser {
  const cookies = new Map<string, string>();
  return {
    async get(url) {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
      const response = await fetch(url, { redirect: 'manual', headers: cookie === '' ? {} : { cookie } });
      for (const line of response.headers.getSetCookie()) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line) ?? [];
        if (line.includes('1970')) cookies.delete(name);
        else cookies.set(name, value);
      }
      return {
        status: response.status,
        text: await response.text(),
        location: response.headers.get('location') ?? '',
      };
    },
  };
}

interface InstallOptions {
  browser?: Browser;
  to?: Pick<InstallGateway, 'url'>;
  /** Who does it, by Slack's id. */
  by?: string;
}

/** Somebody of the team installs the app in their browser, from one gateway and back to it or another. */
export async function install(
  team: SlackTeam,
  from: Pick<InstallGateway, 'url'>,
  { browser = createBrowser(), ...options }: InstallOptions = {},
): Promise<Answer> {
  return browser.get(await redirectOf(team, from, { browser, ...options }));
}

/** The same, until Slack has sent the browser back: the address that it is to open. */
export async function redirectOf(
  team: SlackTeam,
  from: Pick<InstallGateway, 'url'>,
  { browser, to = from, by }: InstallOptions & { browser: Browser },
): Promise<string> {
  const { location } = await browser.get(`${from.url}/slack/install`);
  return `${to.url}/slack/oauth_redirect?${team.allows(location, by)}`;
}
