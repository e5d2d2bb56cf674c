import type { RunEnd, SessionState, ToolCall } from './session-state.ts';

/** What a turn should do next, from the state alone. */
export type NextStep =
  /** Somebody pressed Stop. */
  | { do: 'interrupt' }
  /** The run is over: bring in what the agent left, and rest. */
  | { do: 'end'; end: RunEnd }
  /** These calls may run now or already have a verdict. */
  | { do: 'resolve'; calls: ToolCall[]; waiting: ToolCall[] }
  /** Only people or clients can go on: approvals and custom tools. */
  | { do: 'wait'; waiting: ToolCall[] }
  | { do: 'ask_model' }
  | { do: 'rest' };

export function nextStep(state: SessionState): NextStep {
  if (state.status === 'terminated') return { do: 'rest' };
  if (state.interrupts.length > 0) return { do: 'interrupt' };
  if (state.ending !== null) return { do: 'end', end: state.ending };
  const open = state.calls.filter((call) => call.result === null);
  const waiting = open.filter(isWaiting);
  const calls = open.filter((call) => !isWaiting(call));
  if (calls.length > 0) return { do: 'resolve', calls, waiting };
  if (waiting.length > 0) return { do: 'wait', waiting };
  if (state.queued.length > 0) return { do: 'ask_model' };
  const last = state.transcript.at(-1);
  const unanswered = last !== undefined && last.role !== 'assistant';
  return unanswered && !state.stopped ? { do: 'ask_model' } : { do: 'rest' };
}

/** The call cannot go on before a person or an API client says so. */
export function isWaiting(call: ToolCall): boolean {
  if (call.result !== null) return false;
  return call.kind === 'custom' || (call.permission === 'ask' && call.confirmation === null);
}
