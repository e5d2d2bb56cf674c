import type { EventOf, SessionEvent } from '../session/event.ts';
import { MAX_APPEND_BYTES } from '../session/log.ts';
import { isWaiting, nextStep } from '../session/next-step.ts';
import type { SessionState, ToolCall } from '../session/session-state.ts';
import type { ToolResult } from '../tools/tool.ts';
import { interruptStep } from './interrupt-step.ts';
import { appendAndOpen } from './open-request.ts';
import { collectOutputs } from './outputs.ts';
import { recordProgress } from './progress.ts';
import { closingUsage, startedEvent } from './reply.ts';
import { resultEvent, runCalls, verdictOf } from './tool-calls.ts';
import { NOT_OWED, processedEvent, runningEvents, stamp } from './turn-log.ts';
import type { StepResult, Turn } from './turn-parts.ts';

/** What an event's place in the log adds to it, generously. */
const ENTRY_BYTES = 100;
/** What the start of the next request weighs at most, with the inputs that it takes up. */
const OPENING_BYTES = 256 * 1024;

/** Give each of these calls its result: by verdict where there is one, else by running it. */
export async function resolveStep(turn: Turn, calls: readonly ToolCall[]): Promise<StepResult> {
  const { deps, log } = turn;
  const verdicts = new Map<ToolCall, ToolResult>();
  const toRun: ToolCall[] = [];
  for (const call of calls) {
    const verdict = call.result === null ? verdictOf(call, turn.tools, turn.mine) : null;
    if (verdict === null) toRun.push(call);
    else verdicts.set(call, verdict);
  }

  // On the record before the first effect, so that whoever resumes knows what may have happened.
  const starting = toRun.map((call) => call.event_id).filter((id) => !turn.mine.has(id));
  for (const id of starting) turn.mine.add(id);
  await log.append((state) => [
    ...runningEvents(state, deps.now),
    ...(state.unmarked.length === 0 ? [] : [processedEvent(state.unmarked, deps.now)]),
    ...(starting.length === 0 ? [] : [startedEvent(starting, { worker_id: deps.worker_id, now: deps.now })]),
    ...[...verdicts].map(([call, verdict]) => resultEvent(call, verdict, deps.now)),
  ]);

  if (toRun.length === 0) return 'go_on';
  const results = await turn.act(() => runVisibly(turn, toRun));
  turn.stillHeld();
  const events = toRun.flatMap((call, index) => {
    const result = results[index];
    return result === undefined ? [] : [resultEvent(call, result, deps.now)];
  });
  const batches = batchesOf(events);
  for (const [index, batch] of batches.entries()) {
    if (index === batches.length - 1 && batch.room > OPENING_BYTES) await appendAndOpen(turn, batch.events);
    else await log.append(() => batch.events);
  }
  return 'go_on';
}

/** Run them, and show what they print: at once to who watches, and a little later in the log. */
async function runVisibly(turn: Turn, calls: readonly ToolCall[]): Promise<ToolResult[]> {
  await using progress = recordProgress(turn);
  const results = await runCalls(calls, {
    ...turn.ref,
    tools: turn.tools,
    openWorkspace: turn.session.openWorkspace,
    onOutput(id, text) {
      turn.preview.toolOutput(id, text);
      progress.add(id, text);
    },
    logger: turn.deps.logger,
    now: turn.deps.now,
    signal: turn.signal,
  });
  turn.preview.toolsEnded();
  return results;
}

/** Results that fit an append each, with the room that they leave: several pictures may weigh more than one holds. */
function batchesOf(events: SessionEvent[]): Array<{ events: SessionEvent[]; room: number }> {
  const batches: Array<{ events: SessionEvent[]; room: number }> = [];
  for (const event of events) {
    const bytes = Buffer.byteLength(JSON.stringify(event)) + ENTRY_BYTES;
    const open = batches.at(-1);
    if (open !== undefined && bytes <= open.room) {
      open.events.push(event);
      open.room -= bytes;
    } else batches.push({ events: [event], room: MAX_APPEND_BYTES - bytes });
  }
  return batches;
}

/** Only people can go on: say for what, and end the turn. Nothing is kept in memory while they think. */
export async function waitStep(turn: Turn): Promise<StepResult> {
  const { deps, log } = turn;
  const outputs = alreadySaid(log.state) ? null : await collectOutputs(turn);
  turn.stillHeld();
  const done = await log.append(
    (state) => {
      if (nextStep(state).do !== 'wait') return null;
      return [
        ...(state.unmarked.length === 0 ? [] : [processedEvent(state.unmarked, deps.now)]),
        ...(outputs ?? []),
        ...(alreadySaid(state) ? [] : [closingUsage(state, deps.now), requiresAction(state, deps.now)]),
      ] satisfies SessionEvent[];
    },
    { owed: NOT_OWED, release: true },
  );
  if (done !== null) return 'ended';
  return nextStep(log.state).do === 'interrupt' ? interruptStep(turn, outputs) : 'go_on';
}

function waitingIds(state: SessionState): string[] {
  return state.calls.filter(isWaiting).map((call) => call.event_id);
}

function alreadySaid(state: SessionState): boolean {
  if (state.status !== 'idle' || state.stop_reason?.type !== 'requires_action') return false;
  return state.stop_reason.event_ids.join() === waitingIds(state).join();
}

function requiresAction(state: SessionState, now: () => number): EventOf<'session.status_idle'> {
  return {
    ...stamp(now),
    type: 'session.status_idle',
    stop_details: null,
    stop_reason: { type: 'requires_action', event_ids: waitingIds(state) },
  };
}
