import type { DecideByToolUse, DecideResult } from '../approvals/decide.ts';
import { InvalidInputError, LogMovedError } from '../errors.ts';
import { type QueuedParams, toInput } from '../resources/event-params.ts';
import type { SessionDocument } from '../resources/session-document.ts';
import type { Actor, InputEvent, LogEntry } from '../session/event.ts';
import { isInput } from '../session/event.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import { emptyState, fold } from '../session/state.ts';
import { ApiError } from './errors.ts';

export interface SendDeps {
  log: Pick<SessionLog, 'append' | 'appendInputs' | 'query' | 'read'>;
  approvals: { decideByToolUse(ref: SessionRef, request: DecideByToolUse): Promise<DecideResult> };
  sessions: { getSession(ref: SessionRef): Promise<SessionDocument> };
}

/** An event of a request, with its place there for messages. */
interface Sent {
  params: QueuedParams;
  index: number;
}

type Confirmation = Extract<QueuedParams, { type: 'user.tool_confirmation' }>;

/** How often an append with results re-reads a moving log. */
const MAX_TRIES = 50;

/**
 * Put a client's events into the log, in their order. Events between two confirmations land together or not at all; a
 * confirmation goes the way of every decision, so that a click and an API call cannot both win.
 *
 * @throws NotFoundError, InvalidInputError, ApiError (not allowed to decide)
 */
export async function sendEvents(
  deps: SendDeps,
  ref: SessionRef,
  events: QueuedParams[],
  by: Actor,
): Promise<InputEvent[]> {
  refuseClosed(await deps.sessions.getSession(ref));
  checkOrder(events);
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
  if (session.archived_at !== null)
    throw new InvalidInputError(`Session ${session._id} is archived: it takes no events.`);
  if (session.log.status === 'terminated') {
    throw new InvalidInputError(`Session ${session._id} is terminated: it takes no events.`);
  }
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

async function appendTogether(deps: SendDeps, ref: SessionRef, sent: Sent[], by: Actor): Promise<InputEvent[]> {
  if (sent.length === 0) return [];
  const inputs = sent.map(({ params }) => toInput(params));
  const entries = inputs.map((event) => ({ event, by }));
  if (!sent.some(({ params }) => params.type === 'user.custom_tool_result')) {
    return inputsOf(await deps.log.appendInputs(ref, entries));
  }
  let state = emptyState();
  for (let attempt = 1; ; attempt++) {
    state = fold(await deps.log.read(ref, state.seq), state);
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
    try {
      return inputsOf(await deps.log.append({ ...ref, after: state.seq, entries, owed: true }));
    } catch (error) {
      if (!(error instanceof LogMovedError) || attempt === MAX_TRIES) throw error;
    }
  }
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
  const outcome = await deps.approvals.decideByToolUse(ref, {
    tool_use_id: params.tool_use_id,
    decision: params.result,
    reason: params.deny_message ?? null,
    by,
    in_conversation: true,
  });
  switch (outcome.result) {
    case 'decided':
      return confirmationOf(deps, ref, params.tool_use_id);
    case 'not_allowed':
      throw new ApiError(403, 'permission_error', outcome.text);
    case 'not_found': {
      const message = `${params.tool_use_id} is no tool call that waits for a confirmation`;
      throw new InvalidInputError(message, `events.${index}.tool_use_id`);
    }
    case 'already_decided':
    case 'expired':
    case 'withdrawn':
      throw new InvalidInputError(outcome.text, `events.${index}.tool_use_id`);
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
