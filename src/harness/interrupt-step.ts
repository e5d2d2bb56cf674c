import type { Actor, SessionEvent } from '../session/event.ts';
import { derivedId } from '../session/id.ts';
import { isWaiting } from '../session/next-step.ts';
import type { SessionState, ToolCall } from '../session/session-state.ts';
import { toolError } from '../tools/tool.ts';
import { collectOutputs } from './outputs.ts';
import { closingUsage, requestEnd } from './reply.ts';
import { resultEvent } from './tool-calls.ts';
import { NOT_OWED, processedEvent, stamp } from './turn-log.ts';
import type { StepResult, Turn } from './turn-parts.ts';

/**
 * Somebody pressed Stop. Open calls get a result that says so, questions to people are withdrawn, and the run ends.
 * Messages from before the Stop are kept for Claude to see but are not answered; a message after it starts a new run.
 */
export async function interruptStep(turn: Turn): Promise<StepResult> {
  const { deps, log } = turn;
  const goesOn = (state: SessionState) => after(state).length > 0;
  const appended = await log.append((state) => (goesOn(state) ? endRun(turn, state) : null), { owed: () => true });
  if (appended !== null) {
    await deps.approvals.record(turn.ref, appended);
    return 'go_on';
  }
  const outputs = await collectOutputs(turn);
  const ended = await log.append(
    (state) => (state.interrupts.length > 0 && !goesOn(state) ? endRun(turn, state, outputs) : null),
    { owed: NOT_OWED, release: true },
  );
  if (ended === null) return 'go_on';
  await deps.approvals.record(turn.ref, ended);
  return 'ended';
}

/** Messages that came after the last Stop. */
function after(state: SessionState) {
  const last = state.interrupts.at(-1)?.seq ?? 0;
  return state.queued.filter((message) => message.seq > last);
}

function endRun(turn: Turn, state: SessionState, outputs: SessionEvent[] = []): SessionEvent[] {
  const { now } = turn.deps;
  const kept = new Set(after(state).map((message) => message.event_id));
  const by = state.interrupts[0]?.by ?? null;
  const ids = [
    ...state.interrupts.map((interrupt) => interrupt.event_id),
    ...state.queued.map((message) => message.event_id).filter((id) => !kept.has(id)),
    ...state.unmarked,
  ];
  const open = state.calls.filter((call) => call.result === null);
  return [
    // Left open by a worker that was lost: the Stop ends it too.
    ...(state.open_request === null ? [] : [requestEnd({ request_id: state.open_request, usage: null }, true, now)]),
    ...open.filter((call) => isWaiting(call) && call.kind !== 'custom').map((call) => withdrawn(call, by, now)),
    ...open.map((call) =>
      resultEvent(call, toolError(`Stopped by ${by?.name ?? 'a person'} before it finished.`), now),
    ),
    processedEvent(ids, now),
    ...outputs,
    closingUsage(state, now),
    { ...stamp(now), type: 'session.status_idle', stop_details: null, stop_reason: { type: 'end_turn' } },
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
