import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import express from 'express';
import { SLACK } from '../connectors/slack/conversation-id.ts';
import { createSlackConnector } from '../connectors/slack/index.ts';
import type { OAuthOptions } from '../connectors/slack/oauth.ts';
import { createWebConnector } from '../connectors/web/index.ts';
import { createApi } from './api/api.ts';
import { createChannelSettings } from './chat/channel-settings.ts';
import type { Connector } from './chat/connector.ts';
import { createConversationStore } from './chat/conversation-store.ts';
import { createDeliverer } from './chat/deliver.ts';
import { createCursorStore } from './chat/delivery-cursor.ts';
import { createDeliveryStore } from './chat/delivery-store.ts';
import { createReceiver } from './chat/receive.ts';
import { createResourceDirectory } from './chat/resource-directory.ts';
import { actorIdOf, createRoles, type Roles } from './chat/roles.ts';
import { createTenantWorkspaces } from './chat/tenant-workspaces.ts';
import type { Context } from './context.ts';
import { STAND_IN_EXAMPLES } from './embedded/model.ts';
import { hasListPrice } from './harness/budget.ts';
import { createHealth } from './health.ts';
import { createHttpServer, listen } from './http-server.ts';
import { toAgent } from './resources/agents.ts';
import { createCosts } from './resources/costs.ts';
import { createSeal } from './seal.ts';
import { createSessionFeeds } from './session/feed.ts';
import { APPENDED_CHANNEL } from './session/hints.ts';
import type { LaneSession } from './session/log.ts';
import { describeUnknownCall } from './tools/tool.ts';

/**
 * A running gateway. `stop` first says on `/readyz` that it is leaving and goes on serving for `leave_ms`; then it refuses
 * new requests, lets those under way end and leaves deliveries to another. A third of `stop_grace_ms` is for what the
 * connectors are at, another for everything else; what hangs for longer is left behind.
 */
export interface RunningGateway {
  /** `http://127.0.0.1:3000`. */
  url: string;
  stop(): Promise<void>;
}

/** Built by `npm run build`, or at the first `npm start`; seen from `src/` and from `dist/src/`. */
const PAGE_DIRS = ['../console/dist', '../../console/dist'].map((path) =>
  fileURLToPath(new URL(path, import.meta.url)),
);
const IDLE_LOOK_MS = 50;

/** Serve the API, the page and the connectors, and show sessions in their conversations, until stopped. */
export async function startGateway(context: Context): Promise<RunningGateway> {
  const { config, logger, log, hints, approvals } = context;
  const roles = createRoles(context.db, config.admins);
  const { connectors, slack, web } = createConnectors(context, roles);
  const directory = createResourceDirectory({
    ...context,
    conversations: createConversationStore(context.db),
    workspaceOf: async (connector, tenant) =>
      (await connectors.get(connector)?.workspaceOf?.(tenant)) ?? context.defaults.workspace_id,
  });

  const deliverer = createDeliverer({
    log,
    hints,
    cursors: createCursorStore(context.db),
    store: createDeliveryStore(context.db),
    connectors,
    approvals,
    roles,
    findTarget: directory.findTarget,
    describe: describer(context),
    logger,
    holder: context.worker_id,
    timings: {
      lease_ms: config.timings.lease_ms,
      sweep_ms: config.timings.sweep_ms,
      retry_ms: config.timings.retry_ms,
    },
  });
  const unsubscribe = await hints.subscribe(APPENDED_CHANNEL, (message) => {
    const session = parseSession(message);
    if (session !== null) deliverer.wake(session);
  });
  const receiver = createReceiver({
    db: context.db,
    log,
    approvals,
    directory,
    channels: createChannelSettings(context.db),
    roles,
    costs: createCosts(context.db, context.log),
    agents: context.agents,
    sessions: context.sessions,
    environments: context.environments,
    files: context.files,
    hasListPrice,
    connectors,
    received: (session) => deliverer.wake(session),
    logger,
    lost_after_ms: config.timings.lease_ms,
    retry_ms: config.timings.retry_ms,
  });
  const timers = approvals.startTimers(config.timings.sweep_ms, config.timings.lease_ms);
  receiver.startSweep(config.timings.sweep_ms);
  deliverer.start();

  const feeds = createSessionFeeds({ log, hints, logger });
  const health = createHealth({ ...context, troubles: () => deliverer.troubles() });
  const app = express();
  app.disable('x-powered-by');
  if (slack?.router) app.use(slack.router);
  app.use(health.router);
  app.use('/v1', createApi({ ...context, feeds }));
  app.use(web.router);

  const listener = slack?.inFrontOf(app) ?? app;
  const server = createHttpServer((request, response) => {
    health.farewell(response);
    listener(request, response);
  });
  const url = await listen(server, config);
  for (const connector of connectors.values()) await connector.start(receiver);
  health.ready();
  logger.info({ url, connectors: [...connectors.keys()] }, 'gateway started');

  return {
    url,
    async stop() {
      health.stopping();
      await after(config.timings.leave_ms);
      // What waits for a service that is away never ends by itself; nothing else takes this long.
      const patience = config.timings.stop_grace_ms / 3;
      await Promise.all([...connectors.values()].map((connector) => connector.stop(patience)));
      const closed = once(server, 'close');
      server.close();
      // Those that wait for their next request, now and as soon as the one under way is answered.
      const idle = setInterval(() => server.closeIdleConnections(), IDLE_LOOK_MS);
      const cut = setTimeout(() => server.closeAllConnections(), patience);
      const ended = Promise.allSettled([
        unsubscribe(),
        timers[Symbol.asyncDispose](),
        receiver[Symbol.asyncDispose](),
        deliverer.stop(),
        feeds[Symbol.asyncDispose](),
      ]);
      // Without MongoDB each of them waits for it in vain; what they leave undone, the next start finds in it.
      await Promise.race([ended, after(patience)]);
      await closed;
      clearInterval(idle);
      clearTimeout(cut);
    },
  };
}

function after(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms).unref());
}

function createConnectors(context: Context, roles: Roles) {
  const { config, logger, defaults } = context;
  const web = createWebConnector({
    db: context.db,
    hints: context.hints,
    async agents() {
      const { items } = await context.agents.list(defaults.workspace_id, { limit: 100, order: 'asc' });
      return items
        .map((item) => toAgent(item))
        .sort((a, b) => Number(b.id === defaults.agent_id) - Number(a.id === defaults.agent_id))
        .map((agent) => ({ id: agent.id, name: agent.name, description: agent.description ?? '' }));
    },
    verifyKey: async (key) => (await context.keys.verify(key))?.workspace_id === defaults.workspace_id,
    open_sign_in: context.open_sign_in && isLoopback(config.host),
    workspace_id: defaults.workspace_id,
    logger,
    standIn: context.stand_in,
    ...(context.stand_in ? { examples: STAND_IN_EXAMPLES } : {}),
    page_dir: PAGE_DIRS.find((dir) => existsSync(dir)) ?? 'console/dist',
  });
  const slack =
    config.slack === null
      ? null
      : createSlackConnector({ ...config.slack, db: context.db, logger, oauth: oauthOf(context, roles) });
  const connectors = new Map<string, Connector>([
    [web.name, web],
    ...(slack === null ? [] : [[slack.name, slack] as const]),
  ]);
  return { connectors, slack, web };
}

/** What is kept of those who install the app, and where they belong. */
function oauthOf({ config, db, agents, environments }: Context, roles: Roles): OAuthOptions | null {
  const oauth = config.slack?.oauth ?? null;
  if (oauth === null) return null;
  const { keys, ...rest } = oauth;
  const tenants = createTenantWorkspaces({ agents, environments, roles, conversations: createConversationStore(db) });
  return {
    ...rest,
    db,
    seal: createSeal(keys),
    workspaces: {
      of: (tenant) => tenants.of(SLACK, tenant),
      open: (workspace_id, person) => tenants.open(workspace_id, actorIdOf(SLACK, { id: person })),
    },
  };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}

function describer(context: Context) {
  const tools = new Map(context.turn.tools.map((tool) => [tool.definition.name, tool]));
  return (name: string, input: Record<string, unknown>) =>
    tools.get(name)?.describe(input) ?? describeUnknownCall(name, input);
}

function parseSession(message: string): LaneSession | null {
  try {
    const { workspace_id, session_id, lane = '' }: Partial<LaneSession> = JSON.parse(message);
    return workspace_id === undefined || session_id === undefined ? null : { workspace_id, session_id, lane };
  } catch {
    return null;
  }
}
