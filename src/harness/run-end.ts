import type { LogEntry, SessionEvent } from '../session/event.ts';
import type { RunEnd, SessionState } from '../session/session-state.ts';
import { fold } from '../session/state.ts';
import { closingUsage } from './reply.ts';
import { stamp } from './turn-log.ts';
import type { StepResult, Turn } from './turn-parts.ts';

/** The last events of a run, from the state that they are to follow; null: it does not end after all. */
type Last = (state: SessionState) => SessionEvent[] | null;

export interface Ended {
  step: StepResult;
  appended: LogEntry[];
}

/**
 * End the run with these events. Usually that is one write: the answer, the usage and the idle status together. Where the
 * agent has left files for people it is on record that the run is over before they are stored, because that may take long:
 * whoever goes on after a loss has only this to finish (end-step.ts). Null: `last` did not want to.
 */
export async function endRun(turn: Turn, end: RunEnd, last: Last): Promise<Ended | null> {
  if (!(await turn.session.hasOutputs())) return goToRest(turn, end, last);
  const ending: SessionEvent = { ...stamp(turn.deps.now), type: 'deckhand.run_ending', ...end };
  const appended = await turn.log.append(
    (state) => {
      const events = last(state);
      return events === null ? null : [...events, ending];
    },
    { owed: () => true },
  );
  return appended === null ? null : { step: 'go_on', appended };
}

/** The end itself, and the session given back. What arrived since the run's last answer gets a turn of its own. */
export async function goToRest(turn: Turn, end: RunEnd, last: Last): Promise<Ended | null> {
  let owed = false;
  const appended = await turn.log.append(
    (state) => {
      const events = last(state);
      if (events === null) return null;
      owed = hasNewInput(after(state, events), end.answered);
      return withIdle(turn, state, events, end);
    },
    { owed: () => owed, release: true },
  );
  return appended === null ? null : { step: 'ended', appended };
}

/** These events, and behind them that the session rests. */
export function withIdle(turn: Turn, state: SessionState, events: SessionEvent[], end: RunEnd): SessionEvent[] {
  const { now } = turn.deps;
  const { stop_reason, stop_details } = end;
  return [
    // The run's closing usage says the same and more.
    ...events.filter((event) => event.type !== 'session.usage'),
    closingUsage(after(state, events), now),
    { ...stamp(now), type: 'session.status_idle', stop_reason, stop_details },
  ];
}

/** The state as it would be after these events. */
export function after(state: SessionState, events: SessionEvent[]): SessionState {
  const created_at = new Date(0);
  return fold(
    events.map((event, index) => ({ seq: state.seq + 1 + index, created_at, event })),
    state,
  );
}

function hasNewInput(state: SessionState, since: number): boolean {
  return state.interrupts.length > 0 || state.queued.some((message) => message.seq > since);
}
