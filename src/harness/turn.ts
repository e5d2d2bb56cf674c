import { LeaseLostError, NotFoundError } from '../errors.ts';
import type { BroughtMessages } from '../session/brought-messages.ts';
import type { SessionEvent } from '../session/event.ts';
import { holdLease } from '../session/lease.ts';
import type { ClaimableLease, Claimed, LogHead, Opening, SessionRef } from '../session/log.ts';
import { nextStep } from '../session/next-step.ts';
import type { SessionState } from '../session/session-state.ts';
import { askStep } from './ask-step.ts';
import { isWithinBudget } from './budget.ts';
import { endStep } from './end-step.ts';
import { failTurn } from './fail-turn.ts';
import type { Listening } from './interrupt-bell.ts';
import { interruptStep } from './interrupt-step.ts';
import { openingFor, type RequestOpening } from './opening.ts';
import { collectOutputs } from './outputs.ts';
import { createPreview } from './preview.ts';
import { resolveStep, waitStep } from './resolve-step.ts';
import type { ReadAhead } from './state-cache.ts';
import { NOT_OWED, openTurnLog, processedEvent } from './turn-log.ts';
import type { StepResult, Turn, TurnDeps } from './turn-parts.ts';
import { createTurnSignals } from './turn-signals.ts';

/** A session that is owed a turn, and for what, where that is known. */
export interface TurnRequest extends SessionRef {
  messages?: BroughtMessages;
}

export type TurnResult =
  /** The log asks for nothing more. */
  | 'rested'
  /** Somebody else is the session's brain. */
  | 'busy'
  /** The lease was taken over in the middle. */
  | 'lost'
  /** The worker is stopping; the turn is still owed. */
  | 'handed_over'
  /** The session was deleted. */
  | 'gone';

/**
 * One turn: become the session's brain, do what the log asks for until it asks for nothing, and give the session back.
 *
 * The turn keeps nothing: whatever it learns is in the log before it acts on it, so it may be killed between any two
 * lines and another worker goes on from the log. It stops within moments of an interrupt, of `stopping`, and of losing
 * its lease. @throws when the database is out of reach or something is broken; the sweep brings the session back, and what
 * keeps failing ends in words (fail-turn.ts).
 */
export async function takeTurn(deps: TurnDeps, job: TurnRequest, stopping: AbortSignal): Promise<TurnResult> {
  const { workspace_id, session_id, messages } = job;
  const ref = { workspace_id, session_id };
  const opening = messages === undefined ? null : openingFor(messages, deps.states.peek(ref), deps.now);
  // With the claim, and not behind it: a long session that is new to this worker waits for both.
  const ahead = messages === undefined ? null : deps.states.ahead(ref, messages.seq);
  // Before the claim: from then on, an interrupt rings.
  using bell = deps.bell.listen(session_id);
  const since = performance.now();
  // A lease of this very process is not lost, only late to be renewed: to take over from it is to do its work twice.
  const claimed = await claim(deps, ref, opening, deps.here.has(session_id) ? 'free' : 'free_or_lost');
  if (claimed === 'gone') return 'gone';
  if (claimed === null) return 'busy';
  const { lease } = claimed;
  if (claimed.taken_over) deps.logger.warn({ ...ref, token: lease.token }, 'took over from a lost worker');
  try {
    return await runUnder(
      deps,
      ref,
      { claimed, since, bell, opening: claimed.opened ? opening : null, ahead },
      stopping,
    );
  } catch (error) {
    if (error instanceof LeaseLostError) {
      deps.states.forget(ref);
      deps.logger.warn({ ...ref, token: lease.token }, 'lease lost; another worker goes on');
      return 'lost';
    }
    deps.states.forget(ref);
    if (await failTurn(deps, lease, error)) return 'gone';
    throw error;
  }
}

async function claim(
  deps: TurnDeps,
  ref: SessionRef,
  opening: Opening | null,
  which: ClaimableLease,
): Promise<Claimed | null | 'gone'> {
  try {
    return await deps.log.claim(ref, deps.worker_id, deps.timings.lease_ms, opening, which);
  } catch (error) {
    if (error instanceof NotFoundError) return 'gone';
    throw error;
  }
}

interface Begun {
  claimed: Claimed;
  /** When it was asked for (`performance.now()`). */
  since: number;
  bell: Listening;
  opening: RequestOpening | null;
  ahead: ReadAhead | null;
}

async function runUnder(deps: TurnDeps, ref: SessionRef, begun: Begun, stopping: AbortSignal): Promise<TurnResult> {
  const { claimed, since, bell, opening, ahead } = begun;
  const { lease } = claimed;
  using here = deps.here.enter(ref.session_id);
  let isActing = false;
  let onHead = (_head: LogHead): void => undefined;
  // From here on, because it may take long to read what the session is about.
  using held = holdLease(deps.log, lease, deps.timings.lease_ms, {
    onHead: (head) => onHead(head),
    since,
    mayWait: () => !isActing,
  });
  // Whatever still runs then, others need not wait for it.
  held.signal.addEventListener('abort', () => here[Symbol.dispose](), { once: true });
  using signals = createTurnSignals(held.signal, stopping);

  const session = deps.sessionOf(ref, claimed.document);
  const log = openTurnLog(deps, lease, await deps.states.load(deps.log, ref, claimed, ahead));
  let opened = opening === null ? null : { request_id: opening.request_id, asked_at: claimed.head.seq };

  /** Look at the log again; a Stop in it ends whatever is running. */
  async function look(): Promise<void> {
    if ((await log.refresh()).interrupts.length > 0) signals.interrupt();
  }

  function lookSoon(): void {
    look().catch((err: unknown) => deps.logger.warn({ err, ...ref }, 'could not read new inputs'));
  }

  onHead = (head) => {
    // An append may have brought the Stop along, and looked for nothing.
    if (head.seq > log.state.seq || log.state.interrupts.length > 0) lookSoon();
  };
  bell.onInterrupt(lookSoon);

  const turn: Turn = {
    ref,
    deps,
    session,
    log,
    tools: new Map(deps.tools.map((tool) => [tool.definition.name, tool])),
    isWithinBudget(state) {
      const { budget_change: change } = state;
      // The session that the claim brought along knows of all changes before it.
      const budget = change !== null && change.seq > claimed.head.seq ? change.budget : session.budget;
      return isWithinBudget(state, budget, session.agent.model.id);
    },
    preview: createPreview(deps, lease, held.isHeld),
    mine: new Set(),
    stopping,
    get opened() {
      return opened?.request_id === log.state.open_request?.event_id ? opened : null;
    },
    set opened(request) {
      opened = request;
    },
    get signal() {
      return signals.signal;
    },
    get storing() {
      return signals.storing;
    },
    stillHeld() {
      if (held.signal.aborted) throw new LeaseLostError(ref.session_id);
    },
    isSure: () => held.isHeld(),
    async act(work) {
      await held.settled(signals.signal);
      turn.stillHeld();
      isActing = true;
      try {
        return await work();
      } finally {
        isActing = false;
      }
    },
  };

  for (;;) {
    turn.stillHeld();
    // A request that is in the log is ended first, or another worker would hold it for lost.
    if (stopping.aborted && turn.opened === null) {
      // Whoever goes on may be on another machine, where nothing of it is.
      const outputs = await collectOutputs(turn);
      turn.stillHeld();
      await log.append(() => outputs, { release: true });
      return 'handed_over';
    }
    if (signals.isInterrupted && log.state.interrupts.length === 0) signals.goOn();
    if ((await step(turn)) === 'ended') {
      turn.preview.flush();
      return 'rested';
    }
  }
}

async function step(turn: Turn): Promise<StepResult> {
  const state = turn.log.state;
  if (turn.session.closed) return rest(turn);
  const next = nextStep(state);
  switch (next.do) {
    case 'interrupt':
      return interruptStep(turn);
    case 'end':
      return endStep(turn, next.end);
    case 'resolve':
      return resolveStep(turn, next.calls);
    case 'wait':
      return waitStep(turn);
    case 'ask_model':
      return askStep(turn);
    case 'rest':
      return rest(turn);
    default:
      return next satisfies never;
  }
}

/** Nothing to do: mark what was looked at, and give the session back. */
async function rest(turn: Turn): Promise<StepResult> {
  const done = await turn.log.append(
    (state) => (turn.session.closed || nextStep(state).do === 'rest' ? markLeftovers(turn, state) : null),
    { owed: NOT_OWED, release: true },
  );
  return done === null ? 'go_on' : 'ended';
}

function markLeftovers(turn: Turn, state: SessionState): SessionEvent[] {
  return state.unmarked.length === 0 ? [] : [processedEvent(state.unmarked, turn.deps.now)];
}
