import { LRUCache } from 'lru-cache';
import type { Db } from 'mongodb';
import { NotFoundError } from '../errors.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { EventDocument, LoggedDocument } from '../session/log-document.ts';
import type { Approval } from './approval.ts';
import type { ApprovalStore } from './approval-store.ts';
import { rebuildApprovals } from './record.ts';
import type { Unrecorded } from './unrecorded.ts';

const BATCH = 500;

/** Rebuilds records from the log where the process that should have written them died. */
export interface Repair {
  /** The record, rebuilt when it is missing. */
  find(workspace_id: string, approval_id: string): Promise<Approval | null>;
  findByToolUse(ref: SessionRef, tool_use_id: string): Promise<Approval | null>;
  /** Put on record what a process that died asked or withdrew. Cheap: looks only at sessions that are marked so. */
  recordNew(): Promise<void>;
  /** Compare every session that waits for people, or whose record says so, with its log; forget deleted ones. */
  run(): Promise<void>;
}

export interface RepairDeps {
  db: Db;
  store: ApprovalStore;
  unrecorded: Unrecorded;
  log: Pick<SessionLog, 'query'>;
}

export function createRepair(deps: RepairDeps): Repair {
  const { db, store } = deps;
  const sessions = db.collection<LoggedDocument>('sessions');
  const events = db.collection<EventDocument>('session_events');
  // Sessions by the sequence number up to which this process has compared them: an unchanged one is not read again.
  const compared = new LRUCache<string, number>({ max: 20_000 });

  async function rebuild(ref: SessionRef): Promise<void> {
    try {
      await rebuildApprovals(deps, ref);
    } catch (error) {
      // Deleted meanwhile.
      if (!(error instanceof NotFoundError)) throw error;
    }
  }

  async function run(): Promise<void> {
    const pending = await store.pendingSessions(BATCH);
    const waiting = await sessions
      .find(
        {
          $or: [
            { 'log.stop_reason.type': 'requires_action', 'log.status': 'idle' },
            { _id: { $in: pending.map((ref) => ref.session_id) } },
          ],
        },
        { projection: { workspace_id: 1, 'log.seq': 1 } },
      )
      .toArray();
    const known = new Set(waiting.map((session) => session._id));
    for (const ref of pending) if (!known.has(ref.session_id)) await store.remove(ref);
    for (const { _id, workspace_id, log } of waiting) {
      if (compared.get(_id) === log.seq) continue;
      await rebuild({ workspace_id, session_id: _id });
      compared.set(_id, log.seq);
    }
  }

  return {
    async recordNew() {
      const marked = await deps.unrecorded.find(BATCH);
      // One that cannot be read must not keep the others from their record.
      const failures: unknown[] = [];
      for (const ref of marked) await rebuild(ref).catch((error: unknown) => failures.push(error));
      if (failures.length > 0) throw failures[0];
    },

    run,

    async find(workspace_id, approval_id) {
      const known = await store.find(workspace_id, approval_id);
      if (known !== null) return known;
      // An approval has its tool call's id but for the prefix. A call in a log's tail has no document yet: `run` sees it.
      const tool_use_id = `sevt_${approval_id.slice(approval_id.indexOf('_') + 1)}`;
      const asked = await events.findOne({ _id: tool_use_id, workspace_id }, { projection: { session_id: 1 } });
      if (asked === null) await run();
      else await rebuild({ workspace_id, session_id: asked.session_id });
      return store.find(workspace_id, approval_id);
    },

    async findByToolUse(ref, tool_use_id) {
      const known = await store.findByToolUse(ref, tool_use_id);
      if (known !== null) return known;
      await rebuild(ref);
      return store.findByToolUse(ref, tool_use_id);
    },
  };
}
