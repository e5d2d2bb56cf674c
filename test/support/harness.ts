import { randomBytes } from 'node:crypto';
import type { BetaManagedAgentsSessionAgent } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { Db } from 'mongodb';
import { z } from 'zod';
import { createAttachedImages } from '../../src/harness/attached-images.ts';
import { createInterruptBell } from '../../src/harness/interrupt-bell.ts';
import { createAskModel } from '../../src/harness/model.ts';
import { createStateCache } from '../../src/harness/state-cache.ts';
import { type TurnRequest, takeTurn } from '../../src/harness/turn.ts';
import type { TurnDeps, TurnSession } from '../../src/harness/turn-parts.ts';
import { createTurnsHere } from '../../src/harness/turns-here.ts';
import { silentLogger } from '../../src/logger.ts';
import { createFileIndexes, createFiles } from '../../src/resources/file-store.ts';
import type { Files } from '../../src/resources/files.ts';
import { type BroughtMessages, messagesOf } from '../../src/session/brought-messages.ts';
import { createCheckpointStore } from '../../src/session/checkpoint-store.ts';
import type { Actor, LogEntry, SessionEvent } from '../../src/session/event.ts';
import type { Hints } from '../../src/session/hints.ts';
import { appendedHint, sessionChannel, workerChannel } from '../../src/session/hints.ts';
import { newId } from '../../src/session/id.ts';
import type { SessionLog, SessionRef } from '../../src/session/log.ts';
import { emptyLog, type LoggedDocument } from '../../src/session/log-document.ts';
import { createLogIndexes, createMongoLog } from '../../src/session/mongo-log.ts';
import { defineTool, type Tool, toolText } from '../../src/tools/tool.ts';
import { createMemoryHints } from './memory-hints.ts';
import { startTestModel, type TestModel } from './model.ts';

export const ana: Actor = { via: 'test', id: 'U1', name: 'Ana' };

/** Tools by their effects: `note` writes into a list, `look` reads it. `ask` needs a person's approval. */
export function testTools(effects: string[]): Tool[] {
  const text = z.object({ text: z.string() });
  const describe = (title: string) => (input: { text: string }) => ({
    title,
    summary: `${title}: ${input.text}`,
    detail: input.text,
  });
  return [
    defineTool({
      name: 'bash',
      description: 'Write a note.',
      input: text,
      idempotent: false,
      parallel: false,
      describe: describe('Note'),
      run: async (input) => {
        effects.push(input.text);
        return toolText(`noted ${input.text}`);
      },
    }),
    defineTool({
      name: 'read',
      description: 'Read something.',
      input: text,
      idempotent: true,
      parallel: true,
      describe: describe('Read'),
      run: async (input) => {
        effects.push(`read ${input.text}`);
        return toolText(`contents of ${input.text}`);
      },
    }),
    defineTool({
      name: 'write',
      description: 'Do something risky.',
      input: text,
      idempotent: false,
      parallel: false,
      describe: describe('Write'),
      run: async (input) => {
        effects.push(`wrote ${input.text}`);
        return toolText(`wrote ${input.text}`);
      },
    }),
  ];
}

export function testAgent(over: Partial<BetaManagedAgentsSessionAgent> = {}): BetaManagedAgentsSessionAgent {
  const allow = { enabled: true, permission_policy: { type: 'always_allow' as const } };
  return {
    id: 'agent_test',
    type: 'agent',
    name: 'deckhand',
    version: 1,
    description: null,
    execution_identity: { type: 'service_account' },
    mcp_servers: [],
    model: { id: 'claude-sonnet-5-5' },
    multiagent: null,
    skills: [],
    system: 'Be brief.',
    tools: [
      {
        type: 'agent_toolset_20260401',
        default_config: allow,
        configs: [{ type: 'write', name: 'write', enabled: true, permission_policy: { type: 'always_ask' } }],
      },
      { type: 'custom', name: 'lookup', description: 'Look it up.', input_schema: { type: 'object' } },
    ],
    ...over,
  };
}

/** A session on a real log with a real SDK and a scripted model, and as many workers as a test likes. */
export interface Stage extends AsyncDisposable {
  database: Db;
  ref: SessionRef;
  log: SessionLog;
  model: TestModel;
  hints: Hints;
  files: Files;
  effects: string[];
  session: TurnSession;
  /** Dependencies of one worker; its own cache, name and tools. */
  worker(over?: Partial<TurnDeps>): TurnDeps;
  /** The wake that the last input gave, as a queue brings it to any worker. */
  wake(): TurnRequest;
  says(text: string, by?: Actor): Promise<LogEntry[]>;
  sends(event: SessionEvent, by?: Actor): Promise<LogEntry[]>;
  /** Take turns until nothing is owed. */
  settle(over?: Partial<TurnDeps>): Promise<void>;
  events(): Promise<SessionEvent[]>;
  types(): Promise<string[]>;
}

export async function stage(db: Db): Promise<Stage> {
  await Promise.all([createLogIndexes(db), createFileIndexes(db)]);
  const model = await startTestModel();
  const hints = createMemoryHints();
  const effects: string[] = [];
  const files = createFiles(db, { max_bytes: 100_000_000 });
  const ref: SessionRef = { workspace_id: 'wrkspc_test', session_id: newId('sesn') };
  let brought: BroughtMessages | null = null;
  const log = createMongoLog(db, {
    appended(_ref, entries, owed, { brain }) {
      if (owed) brought = messagesOf(entries);
      void hints.publish(sessionChannel(ref.session_id), appendedHint(entries));
      if (owed && brain !== null) void hints.publish(workerChannel(brain.holder), ref.session_id);
    },
  });
  const sessions = db.collection<LoggedDocument>('sessions');
  await sessions.insertOne({ _id: ref.session_id, workspace_id: ref.workspace_id, log: emptyLog() });

  const session: TurnSession = {
    agent: testAgent(),
    budget: null,
    approval_policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
    closed: false,
    hasOutputs: async () => false,
    expectHands: () => undefined,
    openWorkspace: () => Promise.reject(new Error('no workspace in this test')),
  };

  function worker(over: Partial<TurnDeps> = {}): TurnDeps {
    const worker_id = `wkr_${randomBytes(4).toString('hex')}`;
    const bell = createInterruptBell();
    void bell.hear(hints, over.worker_id ?? worker_id);
    return {
      log,
      hints,
      bell,
      here: createTurnsHere(),
      logger: silentLogger,
      states: createStateCache(createCheckpointStore(db)),
      ask: createAskModel({ api_key: 'test', base_url: model.base_url }),
      images: createAttachedImages(files),
      files,
      tools: testTools(effects),
      sessionOf: () => session,
      approvals: { record: async () => undefined, now: async () => Date.now() },
      worker_id,
      now: Date.now,
      jitter: () => 1,
      timings: { lease_ms: 3000, retry_ms: 1, retry_max_ms: 50, max_failures: 3 },
      ...over,
    };
  }

  const sends = (event: SessionEvent, by: Actor = ana) => log.appendInputs(ref, [{ event, by }]);
  const wake = () => (brought === null ? ref : { ...ref, messages: brought });
  const events = async () => (await log.read(ref)).map((entry) => entry.event);
  return {
    database: db,
    ref,
    log,
    model,
    hints,
    files,
    effects,
    session,
    worker,
    wake,
    sends,
    says: (text, by) =>
      sends({ id: newId('sevt'), type: 'user.message', processed_at: null, content: [{ type: 'text', text }] }, by),
    async settle(over) {
      const deps = worker(over);
      // A claim looks at the document itself.
      await sessions.updateOne({ _id: ref.session_id }, { $set: { budget: session.budget } });
      while ((await log.head(ref)).owed) {
        const result = await takeTurn(deps, wake(), new AbortController().signal);
        if (result === 'busy') throw new Error('Another worker holds the session');
      }
    },
    events,
    types: async () => (await events()).map((event) => event.type),
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  };
}
