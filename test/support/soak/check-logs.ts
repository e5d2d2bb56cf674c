import { isDeepStrictEqual } from 'node:util';
import type { EventOf, LogEntry, SessionEvent } from '../../../src/session/event.ts';
import { DECKHAND } from '../../../src/session/log.ts';
import type { Evidence } from './evidence.ts';
import { doneIn, jobsIn } from './jobs.ts';

/** Looks for what must never be; each find in words that say where to look. */
export type Check = (evidence: Evidence) => string[];

/** No event is lost, doubled or out of place: sequence numbers without gaps up to the head, ids only once, copies true. */
export const logsAreWhole: Check = ({ sessions }) => {
  const seen = new Map<string, string>();
  return sessions.flatMap(({ id, head, entries, copied }) => {
    const wrong = copied
      .filter(({ tail, copy }) => !isDeepStrictEqual(asInTail(copy, tail), tail))
      .map(
        ({ tail, copy }) =>
          `${id}: the tail has ${tail.event.id} as event ${tail.seq}, and its copy (event ${copy.seq}) differs`,
      );
    for (const [index, { seq }] of entries.entries()) {
      if (seq !== index + 1) {
        wrong.push(`${id}: place ${index + 1} of the log holds event ${seq}`);
        break;
      }
    }
    if (entries.length !== head.seq) wrong.push(`${id}: ${entries.length} events, but the head counts ${head.seq}`);
    for (const { event } of entries) {
      const other = seen.get(event.id);
      if (other !== undefined) wrong.push(`${id}: event ${event.id} stands in ${other} too`);
      seen.set(event.id, id);
    }
    return wrong;
  });
};

/** Only a copy says when an input was taken up: in the tail that is an event of its own. */
function asInTail(copy: LogEntry, tail: LogEntry): LogEntry {
  if (tail.event.processed_at !== null) return copy;
  return { ...copy, event: { ...copy.event, processed_at: null } as SessionEvent };
}

const LOOKS = new Set(['read', 'glob', 'grep']);

/** Every call has one result, after it; and what a person decided about it is what happened. */
export const callsHaveOneResult: Check = ({ sessions }) =>
  sessions.flatMap(({ id, entries }) => {
    const wrong: string[] = [];
    const results = groupBy(ofTypeWithSeq(entries, 'agent.tool_result'), ({ event }) => event.tool_use_id);
    const starts = groupBy(
      ofTypeWithSeq(entries, 'deckhand.tool_started').flatMap(({ event, seq }) =>
        event.tool_use_ids.map((use) => ({ use, seq })),
      ),
      ({ use }) => use,
    );
    const uses = ofTypeWithSeq(entries, 'agent.tool_use');
    for (const { event, seq } of uses) {
      const its = results.get(event.id) ?? [];
      if (its.length !== 1) wrong.push(`${id}: call ${event.id} has ${its.length} results`);
      if (its.some((result) => result.seq < seq))
        wrong.push(`${id}: call ${event.id} has its result before it was made`);
      // What only looks may be run again when its worker was lost.
      if (!LOOKS.has(event.name) && (starts.get(event.id)?.length ?? 0) > 1)
        wrong.push(`${id}: call ${event.id} was started more than once`);
    }
    const known = new Set(uses.map(({ event }) => event.id));
    for (const use of results.keys())
      if (!known.has(use)) wrong.push(`${id}: a result for ${use}, which nobody called`);
    return wrong;
  });

/** One decision per question, one confirmation with it, and its effect: a denied call never starts. */
export const questionsAreDecidedOnce: Check = ({ sessions, approvals }) =>
  sessions.flatMap(({ id, entries }) => {
    const wrong: string[] = [];
    const decided = groupBy(ofType(entries, 'deckhand.approval_decided'), (event) => event.approval_id);
    const confirmed = groupBy(ofType(entries, 'user.tool_confirmation'), (event) => event.tool_use_id);
    const started = new Set(ofType(entries, 'deckhand.tool_started').flatMap((event) => event.tool_use_ids));
    const results = new Map(ofType(entries, 'agent.tool_result').map((event) => [event.tool_use_id, event]));
    for (const question of ofType(entries, 'deckhand.approval_requested')) {
      const { approval_id, tool_use_id } = question;
      const decisions = decided.get(approval_id) ?? [];
      const [decision] = decisions;
      if (decisions.length !== 1) wrong.push(`${id}: ${approval_id} has ${decisions.length} decisions`);
      const confirmations = confirmed.get(tool_use_id)?.length ?? 0;
      const due = decision?.outcome === 'withdrawn' ? 0 : 1;
      if (confirmations !== due)
        wrong.push(`${id}: ${approval_id} has ${confirmations} confirmations instead of ${due}`);
      const denied = decision?.outcome !== 'allowed';
      if (denied && started.has(tool_use_id)) wrong.push(`${id}: ${tool_use_id} was started without leave`);
      if (denied && results.get(tool_use_id)?.is_error === false)
        wrong.push(`${id}: ${tool_use_id} worked without leave`);
      const record = approvals.find((one) => one.id === approval_id);
      if (record === undefined) wrong.push(`${id}: ${approval_id} has no record`);
      else if (decision !== undefined && record.status !== decision.outcome) {
        wrong.push(`${id}: ${approval_id} is ${record.status} by its record and ${decision.outcome} by the log`);
      }
    }
    return wrong;
  });

/** Every run ends, in an answer or an error in words, and everything said was taken up. */
export const runsEnd: Check = ({ sessions }) =>
  sessions.flatMap(({ id, entries }) => {
    const wrong: string[] = [];
    const statuses = entries.filter(({ event }) => event.type.startsWith('session.status_'));
    const last = statuses.at(-1)?.event;
    if (last !== undefined && (last.type !== 'session.status_idle' || last.stop_reason.type === 'requires_action')) {
      wrong.push(`${id} ends with ${last.type}${last.type === 'session.status_idle' ? ' (requires_action)' : ''}`);
    }
    for (const { event, seq } of entries) {
      if (event.type === 'user.message' && event.processed_at === null)
        wrong.push(`${id}: ${event.id} was never taken up`);
      if (event.type === 'session.status_idle') wrong.push(...silent(id, event, seq, entries));
    }
    const answered = new Set(ofType(entries, 'span.model_request_end').map((event) => event.model_request_start_id));
    for (const { id: request } of ofType(entries, 'span.model_request_start')) {
      if (!answered.has(request)) wrong.push(`${id}: model request ${request} has no end`);
    }
    return wrong;
  });

/** A run that ends in retries_exhausted says why; one that ends in end_turn has said something or was stopped. */
function silent(id: string, idle: EventOf<'session.status_idle'>, seq: number, entries: readonly LogEntry[]): string[] {
  const start = entries.findLast((entry) => entry.seq < seq && entry.event.type === 'session.status_idle')?.seq ?? 0;
  const run = entries.filter((entry) => entry.seq > start && entry.seq < seq).map((entry) => entry.event);
  const spoke = run.some((event) => event.type === 'agent.message' || event.type === 'session.error');
  const stopped = run.some((event) => event.type === 'user.interrupt');
  switch (idle.stop_reason.type) {
    case 'requires_action':
      return [];
    case 'end_turn':
      return spoke || stopped ? [] : [`${id}: a run ended at ${seq} without a word`];
    case 'retries_exhausted':
      return run.some((event) => event.type === 'session.error' && event.error.message !== '')
        ? []
        : [`${id}: a run failed at ${seq} and says not why`];
    default:
      return [`${id}: a run ended at ${seq} with ${idle.stop_reason.type}, which nothing here explains`];
  }
}

/** What Claude was asked is done, once; undone only where the run that took it up was stopped or failed in words. */
export const jobsAreDone: Check = ({ sessions }) => {
  const wrong: string[] = [];
  const done = new Map<string, number>();
  for (const { entries } of sessions) {
    for (const id of ofType(entries, 'agent.message').flatMap((event) => doneIn(textOf(event)))) {
      done.set(id, (done.get(id) ?? 0) + 1);
    }
  }
  for (const [id, times] of done) if (times > 1) wrong.push(`${id} was done ${times} times`);
  for (const { id, entries } of sessions) {
    for (const { event, seq } of ofTypeWithSeq(entries, 'user.message')) {
      for (const job of jobsIn(textOf(event))) {
        if (done.has(job.id) || isExcused(entries, { seq, id: event.id })) continue;
        wrong.push(`${id}: ${job.id} was never done`);
      }
    }
  }
  return wrong;
};

/** The run that took this message up was stopped or failed in words, or a Stop found it still waiting. */
function isExcused(entries: readonly LogEntry[], message: { seq: number; id: string }): boolean {
  const taken = entries.findIndex(({ event }) => takesUp(event, message.id));
  if (taken === -1) return false;
  const end = entries.findIndex(({ event }, index) => index > taken && endsRun(event));
  const run = entries.slice(taken, end === -1 ? undefined : end);
  // A Stop from before the message is about an earlier run, and one that nobody took up has stopped nothing.
  const stops = ofTypeWithSeq(entries, 'user.interrupt').filter(({ seq }) => seq > message.seq);
  return run.some(
    ({ event }) =>
      stops.some((stop) => takesUp(event, stop.event.id)) ||
      (event.type === 'session.error' && event.error.retry_status.type !== 'retrying'),
  );
}

function takesUp(event: SessionEvent, id: string): boolean {
  return event.type === 'deckhand.input_processed' && event.event_ids.includes(id);
}

/** Waiting for people is a pause in a run. */
function endsRun(event: SessionEvent): boolean {
  return event.type === 'session.status_idle' && event.stop_reason.type !== 'requires_action';
}

export function ofType<T extends SessionEvent['type']>(entries: readonly LogEntry[], type: T): EventOf<T>[] {
  return ofTypeWithSeq(entries, type).map(({ event }) => event);
}

export function ofTypeWithSeq<T extends SessionEvent['type']>(
  entries: readonly LogEntry[],
  type: T,
): { seq: number; event: EventOf<T> }[] {
  // What the house tells of a thread, it quotes: nobody says it there.
  const own = entries.filter(({ by, event }) => event.type !== 'user.message' || by?.via !== DECKHAND.via);
  return own.flatMap(({ seq, event }) => (isType(event, type) ? [{ seq, event }] : []));
}

function isType<T extends SessionEvent['type']>(event: SessionEvent, type: T): event is EventOf<T> {
  return event.type === type;
}

export function textOf(event: EventOf<'user.message'> | EventOf<'agent.message'>): string {
  return event.content.map((block) => (block.type === 'text' ? block.text : '')).join('');
}

function groupBy<T>(items: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item]);
  return groups;
}
