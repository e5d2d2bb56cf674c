import { hostname } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import type { Db } from 'mongodb';
import { createBubblewrapProvider } from '../sandbox/index.ts';
import { type Approvals, createApprovals } from './approvals/approvals.ts';
import { forgetDeliveries } from './chat/delivery-store.ts';
import { createCleanup } from './cleanup.ts';
import type { Config } from './config.ts';
import type { Services } from './embedded/services.ts';
import { createAttachedImages } from './harness/attached-images.ts';
import { hasListPrice } from './harness/budget.ts';
import { createInterruptBell } from './harness/interrupt-bell.ts';
import { createAskModel } from './harness/model.ts';
import { createStateCache } from './harness/state-cache.ts';
import type { TurnDeps } from './harness/turn-parts.ts';
import { createTurnsHere } from './harness/turns-here.ts';
import { createIndexes } from './indexes.ts';
import type { Logger } from './logger.ts';
import { createMongoClient, mongodbUnreachable } from './mongo-client.ts';
import { createTurnQueue } from './queue/bullmq-queue.ts';
import type { TurnQueue } from './queue/turn-queue.ts';
import { refuseWrongCredentials } from './redis-access.ts';
import { type Agents, createAgents } from './resources/agents.ts';
import { type ApiKeys, createApiKeys } from './resources/api-keys.ts';
import { type Defaults, ensureDefaults } from './resources/defaults.ts';
import { createEndedSessions, type EndedSessions } from './resources/ended-sessions.ts';
import { createEnvironments, type Environments } from './resources/environments.ts';
import { createFiles } from './resources/file-store.ts';
import type { Files } from './resources/files.ts';
import type { SessionDocument } from './resources/session-document.ts';
import { createSessions, type Sessions } from './resources/sessions.ts';
import { messagesOf } from './session/brought-messages.ts';
import { createCheckpointStore, forgetCheckpoint } from './session/checkpoint-store.ts';
import {
  APPENDED_CHANNEL,
  appendedHint,
  ENDED_CHANNEL,
  type Hints,
  sessionChannel,
  workerChannel,
} from './session/hints.ts';
import { newId } from './session/id.ts';
import type { AppendListener, SessionLog } from './session/log.ts';
import { createMongoLog } from './session/mongo-log.ts';
import { createRedisHints } from './session/redis-hints.ts';
import { noWorkspaces } from './tools/no-workspaces.ts';
import { AGENT_TOOLSET } from './tools/toolset/agent-toolset.ts';
import type { WorkspaceProvider } from './tools/workspace.ts';
import { createTurnSession } from './turn-session.ts';

/** Everything that is wired once per process. Only gateway.ts and worker.ts see all of it; the rest asks for its part. */
export interface Context extends AsyncDisposable {
  config: Config;
  logger: Logger;
  db: Db;
  redis: Redis;
  /** BullMQ's: it waits for Redis for as long as it takes. */
  queue_connection: Redis;
  redis_prefix: string;
  hints: Hints;
  log: SessionLog;
  queue: TurnQueue;
  agents: Agents;
  environments: Environments;
  sessions: Sessions;
  ended: EndedSessions;
  files: Files;
  keys: ApiKeys;
  approvals: Approvals;
  defaults: Defaults;
  workspaces: WorkspaceProvider;
  turn: TurnDeps;
  worker_id: string;
  /** A scripted stand-in answers instead of Claude. */
  stand_in: boolean;
  /** A name alone signs in on the page (where it is only reachable from this machine). */
  open_sign_in: boolean;
}

export interface ContextOptions {
  open_sign_in: boolean;
  /** This process runs turns and so needs sandboxes. */
  worker: boolean;
}

const REDIS_PREFIX = 'deckhand';

/** Connect to the services and wire the house. @throws DeckhandError or a driver's error when something cannot be had */
export async function createContext(
  config: Config,
  services: Omit<Services, keyof AsyncDisposable>,
  logger: Logger,
  { open_sign_in, worker }: ContextOptions,
): Promise<Context> {
  const cleanup = createCleanup();
  try {
    const mongo = createMongoClient(services.mongodb_uri);
    cleanup.defer(() => mongo.close());
    const db = mongo.db(config.mongodb_database);
    try {
      await mongo.connect();
      await createIndexes(db);
    } catch (cause) {
      throw mongodbUnreachable(cause);
    }

    const connect = (options: { maxRetriesPerRequest?: null; enableAutoPipelining?: boolean } = {}): Redis => {
      const redis = new Redis(services.redis_url, { ...options, lazyConnect: false });
      // Redis may be lost at any moment and comes back by itself; each user of it says what that means.
      redis.on('error', (err: Error) => logger.debug({ reason: err.message }, 'redis connection'));
      cleanup.defer(async () => redis.disconnect());
      return redis;
    };
    const redis_prefix = `${REDIS_PREFIX}:${config.mongodb_database}`;
    // What is published in one tick leaves in one write.
    const redis = connect({ enableAutoPipelining: true });
    await refuseWrongCredentials(redis);
    const queue_connection = connect({ maxRetriesPerRequest: null });
    const hints = createRedisHints(
      { publisher: redis, subscriber: connect({ maxRetriesPerRequest: null }), logger },
      `${redis_prefix}:`,
    );
    const queue = createTurnQueue({ connection: queue_connection, prefix: redis_prefix, logger });
    cleanup.defer(() => queue[Symbol.asyncDispose]());

    const log = createMongoLog(db, wakeOthers({ hints, queue, logger }));
    const approvals = createApprovals({ db, log, logger });
    const agents = createAgents(db);
    const environments = createEnvironments(db);
    const keys = createApiKeys(db);
    const worker_id = `${newId('wkr')}@${hostname()}`;
    const sandboxes = join(config.data_dir, 'sandboxes');
    const workspaces = worker ? createBubblewrapProvider({ data_dir: sandboxes, logger, worker_id }) : noWorkspaces;
    const ended = createEndedSessions(db);
    const files = createFiles(db, {
      max_bytes: config.max_file_bytes,
      room: { session: config.max_session_files_bytes, workspace: config.max_workspace_files_bytes },
    });
    /** Here, and by whichever worker has it: at once when it hears of it, else when it looks. */
    const endSandbox = async (session_id: string): Promise<void> => {
      await workspaces.destroy(session_id);
      await hints.publish(ENDED_CHANNEL, session_id).catch((err: unknown) => {
        logger.warn({ err, session_id }, 'workers were not told that a session ended; they will find out');
      });
    };
    const sessions = createSessions(db, {
      log,
      agents,
      environments,
      hasListPrice,
      onWithdrawn: approvals.record,
      async onArchive(session) {
        await endSandbox(session.session_id);
        // Nothing was appended, but where it is shown, it is over.
        await hints.publish(APPENDED_CHANNEL, JSON.stringify(session)).catch((err: unknown) => {
          logger.debug({ err, ...session }, 'hint was not sent');
        });
      },
      async onDelete(ref) {
        await endSandbox(ref.session_id);
        await approvals.forget(ref);
        await forgetDeliveries(db, ref.session_id);
        await files.forget(ref);
        await forgetCheckpoint(db, ref.session_id);
        await hints
          .publish(sessionChannel(ref.session_id), JSON.stringify({ type: 'deleted' }))
          .catch((err: unknown) => {
            logger.debug({ err, ...ref }, 'hint was not sent');
          });
      },
    });
    const defaults = await ensureDefaults({ agents, environments });
    if (config.api_key !== null) await keys.bootstrap(config.api_key, defaults.workspace_id);

    const bell = createInterruptBell();
    if (worker) await bell.hear(hints, worker_id);
    const turn: TurnDeps = {
      log,
      hints,
      bell,
      here: createTurnsHere(),
      logger,
      states: createStateCache(createCheckpointStore(db)),
      ask: createAskModel(services.model),
      images: createAttachedImages(files),
      files,
      tools: AGENT_TOOLSET,
      // What was claimed is a whole session: this house makes no others.
      sessionOf: (ref, document) =>
        createTurnSession({ environments, files, workspaces }, ref, document as SessionDocument),
      approvals,
      worker_id,
      now: Date.now,
      jitter: () => 0.5 + Math.random() / 2,
      timings: { ...config.timings, retry_max_ms: 30_000, max_failures: 6 },
    };

    return {
      config,
      logger,
      db,
      redis,
      queue_connection,
      redis_prefix,
      hints,
      log,
      queue,
      agents,
      environments,
      sessions,
      ended,
      files,
      keys,
      approvals,
      defaults,
      workspaces,
      turn,
      worker_id,
      stand_in: services.stand_in,
      open_sign_in,
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  } catch (error) {
    await cleanup[Symbol.asyncDispose]().catch(() => undefined);
    throw error;
  }
}

/**
 * After an append: tell who watches, and see to it that a brain takes up new input: the one there is, or whoever is woken.
 * Losing any of it costs only time.
 */
function wakeOthers(deps: { hints: Hints; queue: TurnQueue; logger: Logger }): AppendListener {
  const { hints, logger } = deps;
  const tell = (channel: string, message: string): void => {
    hints.publish(channel, message).catch((err: unknown) => logger.debug({ err, channel }, 'hint was not sent'));
  };
  return {
    appended(session, entries, owed, { brain, in_conversation }) {
      tell(sessionChannel(session.session_id), appendedHint(entries));
      if (in_conversation) tell(APPENDED_CHANNEL, JSON.stringify(session));
      if (!owed) return;
      // Anything else it takes up before it asks Claude again.
      const interrupts = entries.some(({ event }) => event.type === 'user.interrupt');
      if (brain !== null && interrupts) tell(workerChannel(brain.holder), session.session_id);
      // By this process's clock: a wake too many finds the session busy, and for one too few there is the sweep.
      if (brain !== null && brain.until.getTime() > Date.now()) return;
      const messages = messagesOf(entries);
      deps.queue.enqueue(messages === null ? session : { ...session, messages }).catch((err: unknown) => {
        logger.warn({ err, ...session }, 'turn was not enqueued; the sweep will do it');
      });
    },
  };
}
