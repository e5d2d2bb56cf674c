import type { Approvals } from '../approvals/approvals.ts';
import type { DecideByToolUse, DecideResult } from '../approvals/decide.ts';
import { InvalidInputError, LogMovedError, SessionClosedError } from '../errors.ts';
import { type QueuedParams, toInput } from '../resources/event-params.ts';
import type { SessionDocument } from '../resources/session-document.ts';
import type { Actor, InputEvent, LogEntry } from '../session/event.ts';
import { isInput } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { pagesAfter } from '../session/log-reading.ts';
import { refuseTooLarge } from '../session/log-update.ts';
import { emptyState, type SessionState } from '../session/session-state.ts';
import { fold } from '../session/state.ts';
import { ApiError } from './errors.ts';

export interface SendDeps {
  log: Pick<SessionLog, 'append' | 'appendInputs' | 'query' | 'readPage'>;
  approvals: Pick<Approvals, 'decideByToolUse' | 'refusalByToolUse'>;
  sessions: { getSession(ref: SessionRef): Promise<SessionDocument> };
}

/** An event of a request, with its place there for messages. */
interface Sent {
  params: QueuedParams;
  index: number;
}

type Confirmation = Extract<QueuedParams, { type: 'user.tool_confirmation' }>;

const ANSWERS: ReadonlySet<string> = new Set(['user.tool_confirmation', 'user.custom_tool_result']);

/** How often an append with results re-reads a moving log. */
const MAX_TRIES = 50;

/**
 * Put a client's events into the log, in their order. What the request could be refused for is found before any of it is
 * done, so it counts whole or not at all; only somebody who decides or answers in the same moment can part it. A
 * confirmation goes the way of every decision, so that a click and an API call cannot both win.
 *
 * @throws NotFoundError, InvalidInputError, SessionClosedError, ApiError (not allowed to decide)
 */
export async function sendEvents(
  deps: SendDeps,
  ref: SessionRef,
  events: QueuedParams[],
  by: Actor,
): Promise<InputEvent[]> {
  checkOrder(events);
  // A closed log refuses messages and interrupts itself; an answer to a call goes another way.
  if (events.some((params) => ANSWERS.has(params.type))) refuseClosed(await deps.sessions.getSession(ref));
  await refuseEarly(deps, ref, events, by);
  const stored: InputEvent[] = [];
  let together: Sent[] = [];
  for (const [index, params] of events.entries()) {
    if (params.type !== 'user.tool_confirmation') {
      together.push({ params, index });
      continue;
    }
    stored.push(...(await appendTogether(deps, ref, together, by)));
    together = [];
    stored.push(await confirm(deps, ref, params, index, by));
  }
  stored.push(...(await appendTogether(deps, ref, together, by)));
  return stored;
}

function refuseClosed(session: SessionDocument): void {
  if (session.archived_at !== null) throw new SessionClosedError(session._id, 'archived');
  if (session.log.status === 'terminated') throw new SessionClosedError(session._id, 'terminated');
}

/** Rules that need no log: the API's for `system.message`, and what only other environments have. */
function checkOrder(events: QueuedParams[]): void {
  for (const [index, event] of events.entries()) {
    if (event.type === 'user.tool_result') {
      throw new InvalidInputError(
        'only clients of a self_hosted environment run tools of the agent; confirm the call or send a custom result',
        `events.${index}.type`,
      );
    }
    if (event.type !== 'system.message') continue;
    const before = events[index - 1]?.type;
    if (index !== events.length - 1 || (before !== 'user.message' && before !== 'user.custom_tool_result')) {
      throw new InvalidInputError(
        'system.message must be the last event and follow the user.message or user.custom_tool_result it accompanies',
        `events.${index}.type`,
      );
    }
  }
}

/** A request of several steps is looked at whole, against the log and the questions as they are now. */
async function refuseEarly(deps: SendDeps, ref: SessionRef, events: QueuedParams[], by: Actor): Promise<void> {
  if (!events.some((event) => event.type === 'user.tool_confirmation')) return;
  refuseTooLarge(events.map((params) => ({ event: toInput(params), by })));
  const sent = events.map((params, index) => ({ params, index }));
  if (events.some((event) => event.type === 'user.custom_tool_result')) {
    checkResults(await stateAfter(deps, ref, await beforeLastReply(deps, ref)), sent);
  }
  const confirmed = new Set<string>();
  for (const { params, index } of sent) {
    if (params.type !== 'user.tool_confirmation') continue;
    if (confirmed.has(params.tool_use_id)) {
      throw new InvalidInputError('is confirmed twice', `events.${index}.tool_use_id`);
    }
    confirmed.add(params.tool_use_id);
    const refused = await deps.approvals.refusalByToolUse(ref, decisionOf(params, by));
    if (refused !== null) throw refusalOf(refused, params, index);
  }
}

/** Each result answers a call that waits for one, and no call is answered twice. */
function checkResults(state: SessionState, sent: Sent[]): void {
  const waiting = new Set(state.calls.flatMap((call) => (isOpenCustom(call) ? [call.event_id] : [])));
  for (const { params, index } of sent) {
    if (params.type !== 'user.custom_tool_result') continue;
    if (!waiting.delete(params.custom_tool_use_id)) {
      throw new InvalidInputError(
        `${params.custom_tool_use_id} is no custom tool call that waits for a result`,
        `events.${index}.custom_tool_use_id`,
      );
    }
  }
}

async function appendTogether(deps: SendDeps, ref: SessionRef, sent: Sent[], by: Actor): Promise<InputEvent[]> {
  if (sent.length === 0) return [];
  const inputs = sent.map(({ params }) => toInput(params));
  const entries = inputs.map((event) => ({ event, by }));
  if (!sent.some(({ params }) => params.type === 'user.custom_tool_result')) {
    return inputsOf(await deps.log.appendInputs(ref, entries));
  }
  let state = await beforeLastReply(deps, ref);
  for (let attempt = 1; ; attempt++) {
    state = await stateAfter(deps, ref, state);
    checkResults(state, sent);
    try {
      return inputsOf(await deps.log.append({ ...ref, after: state.seq, entries, owed: true }));
    } catch (error) {
      if (!(error instanceof LogMovedError) || attempt === MAX_TRIES) throw error;
    }
  }
}

/**
 * A place in the log from which on the open calls can be told: they are those of Claude's last answer. What else a state
 * holds is not told from there.
 */
async function beforeLastReply(deps: SendDeps, ref: SessionRef): Promise<SessionState> {
  const [reply] = await deps.log.query({ ...ref, types: ['deckhand.model_reply'], order: 'desc', limit: 1 });
  return { ...emptyState(), seq: (reply?.seq ?? 1) - 1 };
}

async function stateAfter(deps: SendDeps, ref: SessionRef, from: SessionState): Promise<SessionState> {
  let state = from;
  for await (const page of pagesAfter(deps.log, ref, from.seq)) state = fold(page, state);
  return state;
}

function isOpenCustom(call: { kind: string; result: unknown }): boolean {
  return call.kind === 'custom' && call.result === null;
}

async function confirm(
  deps: SendDeps,
  ref: SessionRef,
  params: Confirmation,
  index: number,
  by: Actor,
): Promise<InputEvent> {
  const outcome = await deps.approvals.decideByToolUse(ref, decisionOf(params, by));
  if (outcome.result === 'decided') return confirmationOf(deps, ref, params.tool_use_id);
  throw refusalOf(outcome, params, index);
}

function decisionOf(params: Confirmation, by: Actor): DecideByToolUse {
  return {
    tool_use_id: params.tool_use_id,
    decision: params.result,
    reason: params.deny_message ?? null,
    by,
    in_conversation: true,
  };
}

function refusalOf(outcome: DecideResult, params: Confirmation, index: number): Error {
  const path = `events.${index}.tool_use_id`;
  switch (outcome.result) {
    case 'not_allowed':
      return new ApiError(403, 'permission_error', outcome.text);
    case 'not_found':
      return new InvalidInputError(`${params.tool_use_id} is no tool call that waits for a confirmation`, path);
    case 'already_voted':
    case 'voted':
    case 'already_decided':
    case 'expired':
    case 'withdrawn':
    case 'decided':
      return new InvalidInputError(outcome.text, path);
    default:
      return outcome satisfies never;
  }
}

/** The confirmation as the log has it. */
async function confirmationOf(deps: SendDeps, ref: SessionRef, tool_use_id: string): Promise<InputEvent> {
  const found = await deps.log.query({ ...ref, types: ['user.tool_confirmation'], order: 'desc', limit: 100 });
  for (const { event } of found) {
    if (event.type === 'user.tool_confirmation' && event.tool_use_id === tool_use_id) return event;
  }
  throw new Error(`The confirmation of ${tool_use_id} is decided but not in the log`);
}

function inputsOf(entries: LogEntry[]): InputEvent[] {
  return entries.map((entry) => entry.event).filter(isInput);
}
