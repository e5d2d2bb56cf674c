import type { AddressInfo } from 'node:net';
import Anthropic, { APIError } from '@anthropic-ai/sdk';
import express from 'express';
import type { Db } from 'mongodb';
import type { AdmissionLimits } from '../../src/api/admission.ts';
import { createApi } from '../../src/api/api.ts';
import { createApprovalIndexes } from '../../src/approvals/approval-store.ts';
import { type Approvals, createApprovals } from '../../src/approvals/approvals.ts';
import { silentLogger } from '../../src/logger.ts';
import { type Agents, createAgents } from '../../src/resources/agents.ts';
import { type ApiKeys, createApiKeys } from '../../src/resources/api-keys.ts';
import { DEFAULT_WORKSPACE } from '../../src/resources/defaults.ts';
import { createEnvironments, type Environments } from '../../src/resources/environments.ts';
import { createFiles } from '../../src/resources/file-store.ts';
import type { Files } from '../../src/resources/files.ts';
import { createResourceIndexes } from '../../src/resources/indexes.ts';
import { createSessions, type Sessions } from '../../src/resources/sessions.ts';
import { createSessionFeeds } from '../../src/session/feed.ts';
import { appendedHint, type Hints, type SessionHint, sessionChannel } from '../../src/session/hints.ts';
import type { SessionLog, SessionRef } from '../../src/session/log.ts';
import { createLogIndexes, createMongoLog } from '../../src/session/mongo-log.ts';
import { createMemoryHints } from './memory-hints.ts';

/** The `/v1` API on a port of its own, with its real stores, and the SDK as its client. */
export interface ApiServer extends AsyncDisposable {
  readonly url: string;
  /** With a key of the default workspace. */
  readonly client: Anthropic;
  readonly key: string;
  readonly log: SessionLog;
  readonly agents: Agents;
  readonly environments: Environments;
  readonly sessions: Sessions;
  readonly files: Files;
  readonly keys: ApiKeys;
  readonly approvals: Approvals;
  /** Sessions that a queue would have been woken for, in order. */
  readonly woken: string[];
  /** What was told of the end of sessions, as `archived:id` and `deleted:id`. */
  readonly ended: string[];
  clientWith(key: string): Anthropic;
  publish(ref: SessionRef, hint: SessionHint): Promise<unknown>;
  /** How many requests have been let in and wait for the rest of their bodies. */
  bodiesBeingRead(): number;
  ref(session_id: string): SessionRef;
}

const KEY = 'a key that an operator chose';

interface ApiServerOptions {
  hints?: Hints;
  poll_ms?: number;
  limits?: Partial<AdmissionLimits>;
}

export async function startApiServer(db: Db, options: ApiServerOptions = {}): Promise<ApiServer> {
  await Promise.all([createLogIndexes(db), createResourceIndexes(db), createApprovalIndexes(db)]);
  const hints = options.hints ?? createMemoryHints();
  const woken: string[] = [];
  const ended: string[] = [];
  const publish = (ref: SessionRef, hint: SessionHint) =>
    hints.publish(sessionChannel(ref.session_id), JSON.stringify(hint));

  const log = createMongoLog(db, {
    appended(ref, entries, owed) {
      hints.publish(sessionChannel(ref.session_id), appendedHint(entries)).catch(() => undefined);
      if (owed) woken.push(ref.session_id);
    },
  });
  const agents = createAgents(db);
  const environments = createEnvironments(db);
  const files = createFiles(db, { max_bytes: 5_000_000, room: { session: 10_000_000, workspace: 16_000_000 } });
  const sessions = createSessions(db, {
    log,
    agents,
    environments,
    hasListPrice: (model) => model.startsWith('claude-'),
    onWithdrawn: (ref, entries) => approvals.record(ref, entries),
    async onArchive(ref) {
      ended.push(`archived:${ref.session_id}`);
    },
    async onDelete(ref) {
      ended.push(`deleted:${ref.session_id}`);
      await files.forget(ref);
      await publish(ref, { type: 'deleted' });
    },
  });
  const approvals = createApprovals({ db, log, logger: silentLogger });
  const keys = createApiKeys(db);
  await keys.bootstrap(KEY, DEFAULT_WORKSPACE);
  const feeds = createSessionFeeds({ log, hints, logger: silentLogger }, options.poll_ms);

  const app = express();
  const underWay = new Set<express.Request>();
  app.use((req, res, next) => {
    underWay.add(req);
    res.once('close', () => underWay.delete(req));
    next();
  });
  app.use(
    '/v1',
    createApi({
      agents,
      environments,
      sessions,
      files,
      keys,
      log,
      feeds,
      approvals,
      logger: silentLogger,
      ...(options.limits && { limits: options.limits }),
    }),
  );
  const server = app.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const url = `http://127.0.0.1:${port}`;
  const clientWith = (apiKey: string) => new Anthropic({ baseURL: url, apiKey, maxRetries: 0 });

  return {
    url,
    key: KEY,
    client: clientWith(KEY),
    clientWith,
    log,
    agents,
    environments,
    sessions,
    files,
    keys,
    approvals,
    woken,
    ended,
    publish,
    bodiesBeingRead: () => [...underWay].filter((req) => req.readableFlowing === true && !req.readableEnded).length,
    ref: (session_id) => ({ workspace_id: DEFAULT_WORKSPACE, session_id }),
    async [Symbol.asyncDispose]() {
      await feeds[Symbol.asyncDispose]();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** The error that a request of the SDK must end with. */
export async function refusal(request: PromiseLike<unknown>): Promise<APIError> {
  try {
    await request;
  } catch (error) {
    if (error instanceof APIError) return error;
    throw error;
  }
  throw new Error('The request was not refused');
}
