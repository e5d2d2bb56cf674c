import type { Actor, SessionEvent } from '../session/event.ts';
import { derivedId } from '../session/id.ts';
import { isWaiting } from '../session/next-step.ts';
import type { RunEnd, SessionState, ToolCall } from '../session/session-state.ts';
import { toolError } from '../tools/tool.ts';
import { collectOutputs } from './outputs.ts';
import { requestEnd } from './reply.ts';
import { endRun, goToRest, withIdle } from './run-end.ts';
import { resultEvent } from './tool-calls.ts';
import { processedEvent, stamp } from './turn-log.ts';
import type { StepResult, Turn } from './turn-parts.ts';

/**
 * Somebody pressed Stop. Open calls get a result that says so, questions to people are withdrawn, and the run ends.
 * Messages from before the Stop are kept for Claude to see but are not answered; a message after it starts a new run.
 *
 * What the agent has left for people is still stored, as at every end of a run, unless it is that which the Stop came upon.
 * @param outputs what had been stored of it by then
 */
export async function interruptStep(turn: Turn, outputs: SessionEvent[] | null = null): Promise<StepResult> {
  const { deps, log } = turn;
  // The Stop came before the storing that it is about.
  const stored = outputs ?? (log.state.ending === null ? [] : await collectOutputs(turn));
  const goesOn = (state: SessionState) => messagesAfter(state).length > 0;
  const end = endOf(log.state);
  const appended = await log.append(
    (state) => (goesOn(state) ? withIdle(turn, state, [...stopEvents(turn, state), ...stored], end) : null),
    { owed: () => true },
  );
  if (appended !== null) {
    await deps.approvals.record(turn.ref, appended);
    return 'go_on';
  }
  const wasStoring = outputs !== null || log.state.ending !== null;
  const ended = await (wasStoring ? goToRest : endRun)(turn, end, (state) =>
    state.interrupts.length > 0 && !goesOn(state) ? [...stopEvents(turn, state), ...stored] : null,
  );
  if (ended === null) return 'go_on';
  await deps.approvals.record(turn.ref, ended.appended);
  return ended.step;
}

/** A run that was over before the Stop ends as it would have. */
function endOf(state: SessionState): RunEnd {
  return state.ending ?? { stop_reason: { type: 'end_turn' }, stop_details: null, answered: state.seq };
}

/** Messages that came after the last Stop. */
function messagesAfter(state: SessionState) {
  const last = state.interrupts.at(-1)?.seq ?? 0;
  return state.queued.filter((message) => message.seq > last);
}

function stopEvents(turn: Turn, state: SessionState): SessionEvent[] {
  const { now } = turn.deps;
  const kept = new Set(messagesAfter(state).map((message) => message.event_id));
  const by = state.interrupts[0]?.by ?? null;
  const ids = [
    ...state.interrupts.map((interrupt) => interrupt.event_id),
    ...state.queued.map((message) => message.event_id).filter((id) => !kept.has(id)),
    ...state.unmarked,
  ];
  const open = state.calls.filter((call) => call.result === null);
  return [
    // Left open by a worker that was lost: the Stop ends it too.
    ...(state.open_request === null
      ? []
      : [requestEnd({ request_id: state.open_request.event_id, usage: null }, true, now)]),
    ...open.filter((call) => isWaiting(call) && call.kind !== 'custom').map((call) => withdrawn(call, by, now)),
    ...open.map((call) =>
      resultEvent(call, toolError(`Stopped by ${by?.name ?? 'a person'} before it finished.`), now),
    ),
    processedEvent(ids, now),
  ];
}

function withdrawn(call: ToolCall, by: Actor | null, now: () => number): SessionEvent {
  return {
    ...stamp(now),
    type: 'deckhand.approval_decided',
    approval_id: derivedId('appr', call.event_id),
    tool_use_id: call.event_id,
    outcome: 'withdrawn',
    by,
    reason: null,
  };
}
