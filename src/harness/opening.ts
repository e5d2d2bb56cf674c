import type { BroughtMessages } from '../session/brought-messages.ts';
import { newId } from '../session/id.ts';
import type { Opening } from '../session/log.ts';
import { nextStep } from '../session/next-step.ts';
import { emptyState, type SessionState } from '../session/session-state.ts';
import { requestEvents } from './open-request.ts';

/** The opening of a turn that begins with a model request. */
export interface RequestOpening extends Opening {
  request_id: string;
}

/**
 * How a turn for these messages begins, told from the log before them: they are taken up and Claude is asked. So the claim
 * can say it, and a turn writes once less. Null where that log is not known here, or asks for something else first.
 * @param before what this worker last knew of the session; null for nothing
 */
export function openingFor(
  messages: BroughtMessages,
  before: SessionState | null,
  now: () => number,
): RequestOpening | null {
  const { seq: after, event_ids } = messages;
  // Before the first messages there is nothing to know.
  const state = before ?? emptyState();
  if (state.seq + event_ids.length !== after || !isAtRest(state)) return null;
  const request_id = newId('sevt', now());
  const entries = requestEvents(state, event_ids, request_id, now).map((event) => ({ event }));
  // With a budget, what is left of it is looked at first.
  return { after, knows: state.seq, entries, where: { budget: null }, request_id };
}

function isAtRest(state: SessionState): boolean {
  return (
    state.status === 'idle' &&
    state.open_request === null &&
    state.unmarked.length === 0 &&
    nextStep(state).do === 'rest'
  );
}
