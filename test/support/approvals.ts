import type { Db } from 'mongodb';
import type { Approval } from '../../src/approvals/approval.ts';
import { createApprovalIndexes } from '../../src/approvals/approval-store.ts';
import { type Approvals, createApprovals } from '../../src/approvals/approvals.ts';
import { silentLogger } from '../../src/logger.ts';
import type { Actor, ApprovalPolicy, EventOf, LogEntry, SessionEvent } from '../../src/session/event.ts';
import { derivedId, newId } from '../../src/session/id.ts';
import type { SessionLog, SessionRef } from '../../src/session/log.ts';
import { emptyLog, type LoggedDocument } from '../../src/session/log-document.ts';
import { createLogIndexes, createMongoLog } from '../../src/session/mongo-log.ts';
import { REMOVAL } from './cards.ts';

export const ana: Actor = { via: 'slack', id: 'U_ANA', name: 'Ana' };
export const ben: Actor = { via: 'slack', id: 'U_BEN', name: 'Ben' };
export const client: Actor = { via: 'api', id: 'key_1', name: 'a client' };

export const anyone: ApprovalPolicy = {
  approvers: [],
  four_eyes: false,
  remind_after_ms: null,
  expire_after_ms: null,
};

/** Sessions on a real log whose agent asks about calls, and approvals with a clock that the test moves. */
export interface ApprovalScene {
  ref: SessionRef;
  log: SessionLog;
  /** One process's approvals; each call is another process. It may die at its first append, before or after it lands. */
  process(dies?: 'before the append' | 'after the append'): Approvals;
  /** The turn appends a question, as the harness does; recording it is up to the test. */
  asks(policy?: Partial<ApprovalPolicy>, also_asked?: Actor[]): Promise<Question>;
  /** What a Stop puts into the log about the question. */
  withdrawal(question: Question): SessionEvent;
  events<T extends SessionEvent['type']>(type: T): Promise<EventOf<T>[]>;
  clock: { now: number };
}

export interface Question {
  approval_id: string;
  tool_use_id: string;
  entries: LogEntry[];
}

/** @param own_clock without it, processes go by the database's clock, and questions are asked by this process's */
export async function approvalScene(db: Db, own_clock = true): Promise<ApprovalScene> {
  await Promise.all([createLogIndexes(db), createApprovalIndexes(db)]);
  const log = createMongoLog(db, { appended: () => undefined });
  const ref: SessionRef = { workspace_id: 'wrkspc_1', session_id: newId('sesn') };
  await db
    .collection<LoggedDocument>('sessions')
    .insertOne({ _id: ref.session_id, workspace_id: ref.workspace_id, log: emptyLog() });
  const clock = { now: own_clock ? Date.parse('2026-11-20T12:00:00Z') : Date.now() };

  return {
    ref,
    log,
    clock,
    process(dies) {
      const flaky: Pick<SessionLog, 'append' | 'query' | 'readPage'> = {
        query: (query) => log.query(query),
        readPage: (at, after, limit) => log.readPage(at, after, limit),
        async append(request) {
          if (dies === 'before the append') throw new Error('The process died here');
          const appended = await log.append(request);
          if (dies === 'after the append') throw new Error('The process died here');
          return appended;
        },
      };
      const by = own_clock ? { now: async () => clock.now } : {};
      return createApprovals({ db, log: flaky, logger: silentLogger, ...by });
    },
    async asks(policy = {}, also_asked = []) {
      const tool_use_id = newId('sevt');
      const approval_id = derivedId('appr', tool_use_id);
      const at = new Date(clock.now).toISOString();
      const events: SessionEvent[] = [
        {
          id: tool_use_id,
          processed_at: at,
          type: 'agent.tool_use',
          name: 'bash',
          input: { command: 'rm -rf build' },
          evaluated_permission: 'ask',
        },
        {
          id: newId('sevt'),
          processed_at: at,
          type: 'deckhand.approval_requested',
          approval_id,
          tool_use_id,
          tool_name: 'bash',
          summary: REMOVAL.summary,
          detail: REMOVAL.detail,
          requested_by: ana,
          ...(also_asked.length === 0 ? {} : { also_asked }),
          policy: { ...anyone, ...policy },
        },
        {
          id: newId('sevt'),
          processed_at: at,
          type: 'session.status_idle',
          stop_details: null,
          stop_reason: { type: 'requires_action', event_ids: [tool_use_id] },
        },
      ];
      const { seq } = await log.head(ref);
      const entries = await log.append({ ...ref, after: seq, entries: events.map((event) => ({ event })) });
      return { approval_id, tool_use_id, entries };
    },
    withdrawal: ({ approval_id, tool_use_id }) => ({
      id: newId('sevt'),
      processed_at: new Date(clock.now).toISOString(),
      type: 'deckhand.approval_decided',
      approval_id,
      tool_use_id,
      outcome: 'withdrawn',
      by: ana,
      reason: null,
    }),
    async events(type) {
      const entries = await log.read(ref);
      return entries.map(({ event }) => event).filter((event): event is EventOf<typeof type> => event.type === type);
    },
  };
}

/** All that wait, oldest first. */
export async function pendingOf(
  approvals: Pick<Approvals, 'pending'>,
  workspace_id: string,
  session_id?: string,
): Promise<Approval[]> {
  const found: Approval[] = [];
  for await (const approval of approvals.pending(workspace_id, session_id)) found.push(approval);
  return found;
}
