import type { Db } from 'mongodb';
import { createApprovalIndexes } from '../../src/approvals/approval-store.ts';
import { type Approvals, createApprovals } from '../../src/approvals/approvals.ts';
import {
  type ChannelSettingsStore,
  createChannelSettings,
  createChannelSettingsIndexes,
} from '../../src/chat/channel-settings.ts';
import { createConversationIndexes, createConversationStore } from '../../src/chat/conversation-store.ts';
import { createDeliverer, type Deliverer, type DelivererDeps } from '../../src/chat/deliver.ts';
import { createCursorStore } from '../../src/chat/delivery-cursor.ts';
import { createDeliveryIndexes, createDeliveryStore } from '../../src/chat/delivery-store.ts';
import type {
  InboundChange,
  InboundCommand,
  InboundDecision,
  InboundFeedback,
  InboundMessage,
  InboundStop,
  Receipt,
} from '../../src/chat/inbound.ts';
import { createInboundIndexes } from '../../src/chat/inbound-store.ts';
import type { ConversationKey } from '../../src/chat/place.ts';
import { createReceiver, type ReceiverDeps, type ReceiverService } from '../../src/chat/receive.ts';
import { createResourceDirectory } from '../../src/chat/resource-directory.ts';
import { createRoles } from '../../src/chat/roles.ts';
import type { SessionDirectory } from '../../src/chat/session-directory.ts';
import { hasListPrice } from '../../src/harness/budget.ts';
import { silentLogger } from '../../src/logger.ts';
import { type Agents, createAgents } from '../../src/resources/agents.ts';
import { createCosts } from '../../src/resources/costs.ts';
import { type Defaults, ensureDefaults } from '../../src/resources/defaults.ts';
import { createEnvironments } from '../../src/resources/environments.ts';
import { createFileIndexes, createFiles } from '../../src/resources/file-store.ts';
import type { Files } from '../../src/resources/files.ts';
import { createSessions, type Sessions } from '../../src/resources/sessions.ts';
import type { Actor, EventOf, LogEntry, SessionEvent } from '../../src/session/event.ts';
import {
  appendedHint,
  type Hints,
  type PreviewEvent,
  type SessionHint,
  sessionChannel,
} from '../../src/session/hints.ts';
import { newId } from '../../src/session/id.ts';
import type { SessionLog, SessionRef } from '../../src/session/log.ts';
import { createLogIndexes, createMongoLog } from '../../src/session/mongo-log.ts';
import type { Platform } from './fake-connector.ts';
import { createMemoryHints } from './memory-hints.ts';

export const place: ConversationKey = { connector: 'test', tenant: 'T1', channel: 'C1', thread: '100.1' };

/** The house from chat's door to the log, on a real database; several receivers are several gateways. */
export interface ChatStage {
  db: Db;
  log: SessionLog;
  agents: Agents;
  sessions: Sessions;
  files: Files;
  approvals: Approvals;
  defaults: Defaults;
  directory: ReturnType<typeof createResourceDirectory>;
  channels: ChannelSettingsStore;
  clock: { now: number };
  receiver(over?: Partial<ReceiverDeps>): PatientReceiver;
  /** Everybody who holds a chat event is silent for so long. */
  silence(ms: number): Promise<void>;
  hints: Hints;
  /** One gateway's deliverer, woken by every append; `name` is its name in leases. */
  deliverer(platform: Platform, name?: string, over?: Partial<DelivererDeps>): Deliverer;
  /** A new session of the default agent in `place`, or in another thread or channel there. */
  session(thread?: string, channel?: string): Promise<SessionRef>;
  /** As a turn or a person does; ids and times are filled in. Returns the events' ids. */
  append(ref: SessionRef, ...events: NewEvent[]): Promise<string[]>;
  /** Let its gateways look at the session. */
  wake(ref: SessionRef): void;
  preview(ref: SessionRef, event: PreviewEvent): Promise<number>;
  /** The sessions of this database, oldest first. */
  refs(): Promise<SessionRef[]>;
  /** All entries of all sessions of one type, in order. */
  entries<T extends SessionEvent['type']>(type: T): Promise<Array<LogEntry & { event: EventOf<T> }>>;
}

/** A gateway's receiver, as somebody asks it who waits until what they said has its effect. */
export interface PatientReceiver {
  message(message: InboundMessage): Promise<Receipt>;
  change(change: InboundChange): Promise<Receipt>;
  decision(decision: InboundDecision): Promise<Receipt>;
  stop(stop: InboundStop): Promise<Receipt>;
  feedback(feedback: InboundFeedback): Promise<Receipt>;
  command(command: InboundCommand): Promise<Receipt>;
  sweepNow(): Promise<number>;
  /** As a connector sees it. */
  readonly service: ReceiverService;
}

/** @param workspaceOf where tenants have workspaces of their own; else all are in the default one */
export async function chatStage(db: Db, workspaceOf?: SessionDirectory['workspaceOf']): Promise<ChatStage> {
  await Promise.all([
    createLogIndexes(db),
    createFileIndexes(db),
    createApprovalIndexes(db),
    createConversationIndexes(db),
    createInboundIndexes(db),
    createChannelSettingsIndexes(db),
    createDeliveryIndexes(db),
  ]);
  const clock = { now: Date.parse('2026-11-20T12:00:00Z') };
  const hints = createMemoryHints();
  const woken = new Set<Deliverer>();
  const tell = (ref: SessionRef, hint: SessionHint) =>
    hints.publish(sessionChannel(ref.session_id), JSON.stringify(hint));
  const log = createMongoLog(db, {
    appended(ref, entries) {
      void hints.publish(sessionChannel(ref.session_id), appendedHint(entries));
      for (const deliverer of woken) deliverer.wake(ref);
    },
  });
  const agents = createAgents(db);
  const environments = createEnvironments(db);
  const nothing = async () => undefined;
  const sessions = createSessions(db, {
    log,
    agents,
    environments,
    hasListPrice: () => true,
    onWithdrawn: (ref, entries) => approvals.record(ref, entries),
    onArchive: nothing,
    onDelete: nothing,
  });
  const files = createFiles(db, { max_bytes: 10_000_000, room: { session: 15_000_000, workspace: 100_000_000 } });
  const defaults = await ensureDefaults({ agents, environments });
  const approvals = createApprovals({ db, log, logger: silentLogger, now: async () => clock.now });
  const conversations = createConversationStore(db);
  const channels = createChannelSettings(db);
  const directory = createResourceDirectory({
    agents,
    sessions,
    conversations,
    workspaceOf: workspaceOf ?? (async () => defaults.workspace_id),
  });

  async function refs(): Promise<SessionRef[]> {
    const found = await db
      .collection<{ _id: string; workspace_id: string }>('sessions')
      .find({}, { projection: { workspace_id: 1 }, sort: { created_at: 1, _id: 1 } })
      .toArray();
    return found.map((one) => ({ workspace_id: one.workspace_id, session_id: one._id }));
  }

  return {
    db,
    log,
    agents,
    sessions,
    files,
    approvals,
    defaults,
    directory,
    channels,
    clock,
    refs,
    hints,
    deliverer(platform, name = 'gateway_1', over = {}) {
      const deliverer = createDeliverer({
        log,
        hints,
        cursors: createCursorStore(db),
        store: createDeliveryStore(db),
        connectors: new Map([['test', platform.connector()]]),
        approvals,
        roles: createRoles(db, ['test:U_ADA']),
        findTarget: (ref) => directory.findTarget(ref),
        describe: (call) => ({ title: `Use ${call}`, detail: call }),
        logger: silentLogger,
        holder: name,
        timings: { lease_ms: 60_000, sweep_ms: 60_000, retry_ms: 1, settle_ms: 1, drain_ms: 10 },
        ...over,
      });
      woken.add(deliverer);
      return {
        ...deliverer,
        stop() {
          woken.delete(deliverer);
          return deliverer.stop();
        },
      };
    },
    async session(thread = place.thread, channel = place.channel) {
      const conversation = await conversations.open({ ...place, channel, thread }, defaults.workspace_id);
      const { agent_id, environment_id, workspace_id } = defaults;
      const params = { agent: agent_id, environment_id };
      const { _id } = await sessions.create(workspace_id, params, { conversation_id: conversation._id });
      return { workspace_id, session_id: _id };
    },
    async append(ref, ...events) {
      const entries = events.map(({ from, message_id, ...event }) => ({
        event: { id: newId('sevt'), processed_at: new Date(clock.now).toISOString(), ...event } as SessionEvent,
        ...(from === undefined ? {} : { by: from }),
        ...(message_id === undefined ? {} : { message_id }),
      }));
      const { seq } = await log.head(ref);
      await log.append({ ...ref, after: seq, entries, owed: false });
      return entries.map((entry) => entry.event.id);
    },
    wake(ref) {
      for (const deliverer of woken) deliverer.wake({ ...ref, lane: '' });
    },
    preview: (ref, event) => tell(ref, { type: 'preview', event }),
    receiver(over = {}) {
      const service = createReceiver({
        db,
        log,
        approvals,
        directory,
        channels,
        roles: createRoles(db, ['test:U_ADA']),
        costs: createCosts(db, log),
        agents,
        sessions,
        environments,
        hasListPrice,
        received: () => undefined,
        logger: silentLogger,
        lost_after_ms: 30_000,
        retry_ms: 1,
        connectors: new Map(),
        files,
        ...over,
      });
      return {
        message: async (message) => (await service.message(message)).receipt,
        change: async (change) => (await service.change(change)).receipt,
        decision: async (decision) => (await service.decision(decision)).receipt,
        stop: async (stop) => (await service.stop(stop)).receipt,
        feedback: async (feedback) => (await service.feedback(feedback)).receipt,
        command: async (command) => (await service.command(command)).receipt,
        sweepNow: () => service.sweepNow(),
        service,
      };
    },
    async silence(ms) {
      const earlier = (field: string) => ({ $subtract: [`$${field}`, ms] });
      await db
        .collection('inbound')
        .updateMany({ state: 'received', holder: null }, [{ $set: { next_attempt_at: earlier('next_attempt_at') } }]);
      await db.collection('inbound_holders').updateMany({}, [{ $set: { until: earlier('until') } }]);
    },
    async entries(type) {
      const found: Array<LogEntry & { event: EventOf<typeof type> }> = [];
      for (const ref of await refs()) {
        for (const entry of await log.read(ref)) if (isOf(entry, type)) found.push(entry);
      }
      return found;
    },
  };
}

function isOf<T extends SessionEvent['type']>(entry: LogEntry, type: T): entry is LogEntry & { event: EventOf<T> } {
  return entry.event.type === type;
}

/** An event without what every event has. */
export type NewEvent = { [T in SessionEvent['type']]: Unstamped<EventOf<T>> }[SessionEvent['type']];
type Unstamped<E> = Omit<E, 'id' | 'processed_at'> & { id?: string; from?: Actor; message_id?: string };

let messages = 0;

/** Something that Ana says to the bot; say only what the test is about. */
export function said(text: string, over: Partial<InboundMessage> = {}): InboundMessage {
  messages += 1;
  return {
    event_id: `Ev${messages}`,
    message_id: `${messages}.1`,
    conversation: place,
    sender: { id: 'U_ANA', name: 'Ana' },
    text,
    addressed: true,
    ...over,
  };
}
