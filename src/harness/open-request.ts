import type { SessionEvent } from '../session/event.ts';
import { newId } from '../session/id.ts';
import { nextStep } from '../session/next-step.ts';
import type { SessionState } from '../session/session-state.ts';
import { after } from './run-end.ts';
import { processedEvent, runningEvents, stamp } from './turn-log.ts';
import type { OpenedRequest, Turn } from './turn-parts.ts';

/** What stands in the log before Claude is asked: the run, the inputs that the request takes up, and its start. */
export function requestEvents(
  state: SessionState,
  inputs: string[],
  request_id: string,
  now: () => number,
): SessionEvent[] {
  return [
    ...runningEvents(state, now),
    ...(inputs.length === 0 ? [] : [processedEvent(inputs, now)]),
    { ...stamp(now), id: request_id, type: 'span.model_request_start' },
  ];
}

/**
 * Take up what is queued, and say that Claude is asked. Null when the log asks for something else first by now: what was said
 * after a Stop must not be taken up before it, or it would end with it.
 */
export async function openRequest({ log, deps }: Turn): Promise<OpenedRequest | null> {
  const request_id = newId('sevt', deps.now());
  const taken = await log.append((state) =>
    nextStep(state).do === 'ask_model' ? requestEvents(state, inputsOf(state), request_id, deps.now) : null,
  );
  return taken === null ? null : { request_id, asked_at: taken.at(-1)?.seq ?? log.state.seq };
}

/** Append these events, and with them, where Claude is asked next, the opening of that request: one write instead of two. */
export async function appendAndOpen(turn: Turn, events: SessionEvent[]): Promise<void> {
  const { log, deps } = turn;
  const request_id = newId('sevt', deps.now());
  const appended = await log.append((state) => {
    const then = after(state, events);
    const isNext = nextStep(then).do === 'ask_model' && turn.isWithinBudget(then);
    if (!isNext || turn.signal.aborted) return events;
    return [...events, ...requestEvents(then, inputsOf(then), request_id, deps.now)];
  });
  const last = appended?.at(-1);
  if (last?.event.id === request_id) turn.opened = { request_id, asked_at: last.seq };
}

function inputsOf(state: SessionState): string[] {
  return [...state.queued.map((message) => message.event_id), ...state.unmarked];
}
