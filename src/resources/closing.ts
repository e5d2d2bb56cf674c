import { InvalidInputError, LogMovedError } from '../errors.ts';
import type { EventOf, LogEntry, NewEntry, SessionStatus } from '../session/event.ts';
import { newId } from '../session/id.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { SessionDocument } from './session-document.ts';

export interface ClosingDeps {
  log: Pick<SessionLog, 'append' | 'list'>;
  getSession(ref: SessionRef): Promise<SessionDocument>;
  /** These questions of an ended session are withdrawn in its log; whoever does not hear of it finds the session marked so. */
  onWithdrawn(ref: SessionRef, entries: readonly LogEntry[]): Promise<void>;
}

type Question = EventOf<'deckhand.approval_requested'>;

/** Entries of one read. */
const PAGE = 500;
/** Why a question is withdrawn that its session leaves open, as the beginning of a sentence. */
const HAS_ENDED = 'The session has ended';

/**
 * End a session: it takes no inputs from here on and no run begins. What it still asks people is withdrawn in the same write,
 * behind what was read: so nobody is asked by a session that has ended, wherever a process dies, and a decision that comes
 * later finds the withdrawal in the log.
 */
export function createClosing(deps: ClosingDeps) {
  /**
   * Safe to call again: then the session is as it was.
   * @returns the session as it is then, and how many questions were withdrawn for its end, now or before
   * @throws NotFoundError, InvalidInputError while it is running
   */
  return async function close(ref: SessionRef): Promise<{ session: SessionDocument; withdrawn: number }> {
    for (;;) {
      const before = await deps.getSession(ref);
      if (RUNNING.includes(before.log.status)) throw stillRunning(ref);
      const { open, withdrawn } = await questions(deps.log, ref);
      if (before.archived_at !== null && open.length === 0) return { session: before, withdrawn };
      const now = new Date();
      const marks = { archived_at: now, updated_at: now, 'log.closed': true };
      try {
        const appended = await deps.log.append({
          ...ref,
          after: before.log.seq,
          entries: open.map((question) => withdrawal(question, now)),
          ...(before.archived_at === null && { set: marks }),
        });
        if (appended.length > 0) await deps.onWithdrawn(ref, appended);
      } catch (error) {
        if (error instanceof LogMovedError) continue;
        throw error;
      }
      return { session: await deps.getSession(ref), withdrawn: withdrawn + open.length };
    }
  };
}

const RUNNING: readonly SessionStatus[] = ['running', 'rescheduling'];

function stillRunning(ref: SessionRef): InvalidInputError {
  return new InvalidInputError(`Session ${ref.session_id} is running: send it a user.interrupt first.`);
}

/** What nobody has decided, by the log: a record may be behind it; and how many were withdrawn because the session ended. */
async function questions(log: ClosingDeps['log'], ref: SessionRef): Promise<{ open: Question[]; withdrawn: number }> {
  const open = new Map<string, Question>();
  let withdrawn = 0;
  for (let after_seq = 0; ; ) {
    const types = ['deckhand.approval_requested', 'deckhand.approval_decided'] as const;
    const { entries, more } = await log.list({ ...ref, types, after_seq, order: 'asc', limit: PAGE });
    for (const { event } of entries) {
      if (event.type === 'deckhand.approval_requested') open.set(event.approval_id, event);
      if (event.type !== 'deckhand.approval_decided') continue;
      open.delete(event.approval_id);
      if (event.outcome === 'withdrawn' && event.reason === HAS_ENDED) withdrawn += 1;
    }
    const last = entries.at(-1);
    if (!more || last === undefined) return { open: [...open.values()], withdrawn };
    after_seq = last.seq;
  }
}

function withdrawal({ approval_id, tool_use_id }: Question, now: Date): NewEntry {
  return {
    event: {
      id: newId('sevt'),
      processed_at: now.toISOString(),
      type: 'deckhand.approval_decided',
      approval_id,
      tool_use_id,
      outcome: 'withdrawn',
      by: null,
      reason: HAS_ENDED,
    },
  };
}
