import { setTimeout as sleep } from 'node:timers/promises';
import type { BetaUsage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { EventOf, SessionEvent, StopReason } from '../session/event.ts';
import { newId } from '../session/id.ts';
import { nextStep } from '../session/next-step.ts';
import type { RunEnd, SessionState } from '../session/session-state.ts';
import { permissionOf } from '../tools/permission.ts';
import type { ModelListener } from './answer.ts';
import { roomFor, withImages } from './attached-images.ts';
import type { ModelFailure, ModelOutcome } from './model.ts';
import { openRequest } from './open-request.ts';
import { buildPrompt } from './prompt.ts';
import { type Reply, type ReplyContext, replyEvents, requestEnd } from './reply.ts';
import { after, endRun } from './run-end.ts';
import { stamp } from './turn-log.ts';
import type { StepResult, Turn } from './turn-parts.ts';

/** Take up what is queued, ask Claude once, and put the answer into the log. */
export async function askStep(turn: Turn): Promise<StepResult> {
  const { deps, log, opened } = turn;
  if (opened === null) {
    if (log.state.open_request !== null) return abandonedRequest(turn, log.state.open_request);
    if (!turn.isWithinBudget(log.state)) {
      return end(turn, (state) => (turn.isWithinBudget(state) ? null : []), { type: 'budget_reached' });
    }
  }
  const request = opened ?? (await openRequest(turn));
  if (request === null) return 'go_on';
  const { request_id, asked_at } = request;

  const message_id = newId('sevt', deps.now());
  const outcome = await ask(turn, {
    onText: (text, index) => turn.preview.text(message_id, text, index),
    onThinking: () => turn.preview.thinking(newId('sevt', deps.now())),
    onToolUse: prepareTools(turn),
  });
  turn.preview.written();
  // An abort because of a lost lease is no Stop: what was said is another worker's to say again.
  turn.stillHeld();
  return record(turn, outcome, { request_id, message_id, asked_at });
}

/** While Claude still writes its calls: look up what they take, and start it unless a person is asked whatever they are. */
function prepareTools({ session, tools, deps, ref, isSure }: Turn): (name: string) => void {
  let isExpecting = false;
  return (name) => {
    if (!isSure()) return;
    const tool = tools.get(name);
    const { enabled, policy } = permissionOf(session.agent.tools, name);
    if (tool === undefined || !enabled) return;
    if (!isExpecting) session.expectHands();
    isExpecting = true;
    if (policy === 'always_ask') return;
    tool.prepare?.(session).catch((err: unknown) => deps.logger.debug({ err, ...ref, tool: name }, 'not prepared'));
  };
}

/** With the images that people attached; without them when it is for them that Claude's API refuses the request. */
async function ask(turn: Turn, listener: ModelListener): Promise<ModelOutcome> {
  const { deps, log, session, ref } = turn;
  const prompt = buildPrompt(log.state, session.agent, deps.tools);
  const load = (file_id: string) => deps.images.get(ref.workspace_id, file_id);
  const { request, shown } = await withImages(prompt, roomFor(log.state.bytes), load);
  const outcome = await deps.ask(request, listener, turn.signal);
  if (shown === 0 || outcome.kind !== 'failed' || outcome.failure.about_content !== true) return outcome;
  deps.logger.warn({ ...ref, shown, reason: outcome.failure.message }, 'request refused, asking without images');
  return deps.ask((await withImages(prompt, 0, load)).request, listener, turn.signal);
}

interface RequestIds {
  request_id: string;
  message_id: string;
  /** Claude has seen the log up to here. */
  asked_at: number;
}

async function record(turn: Turn, outcome: ModelOutcome, ids: RequestIds): Promise<StepResult> {
  const model = turn.session.agent.model.id;
  switch (outcome.kind) {
    case 'replied': {
      const { content, stop_reason, usage } = outcome.message;
      if (stop_reason === 'max_tokens' || stop_reason === 'model_context_window_exceeded') {
        return cutShort(turn, { model, content, stop_reason, usage, ...ids }, ids.asked_at);
      }
      const reply = { model, content, stop_reason, usage, ...ids };
      return replied(turn, reply, outcome.message.stop_details ?? null, ids.asked_at);
    }
    case 'aborted':
      // What was said before a Stop is kept, and Claude sees it too. A worker that goes away drops it: another asks anew.
      if (outcome.said.length === 0 || turn.stopping.aborted) {
        turn.preview.dropped(ids.message_id);
        await turn.log.append(() => [requestEnd({ ...ids, usage: outcome.usage }, true, turn.deps.now)]);
      } else {
        const reply = { model, content: outcome.said, stop_reason: null, usage: outcome.usage, ...ids };
        const context = await contextToAsk(turn, reply);
        await turn.log.append((state) => replyEvents(state, reply, context));
      }
      return 'go_on';
    case 'failed':
      turn.preview.dropped(ids.message_id);
      return failed(turn, outcome.failure, { ...ids, usage: outcome.usage });
    default:
      return outcome satisfies never;
  }
}

type OpenRequest = NonNullable<SessionState['open_request']>;

type StopDetails = { category?: unknown; explanation?: unknown } | null;

async function replied(turn: Turn, reply: Reply, details: StopDetails, asked_at: number): Promise<StepResult> {
  const { log, deps } = turn;
  if (reply.stop_reason === 'refusal') {
    // A refusal may come in the middle of a call, which then is none: nobody may run it, now or at the next message.
    const content = reply.content.filter((block) => block.type !== 'tool_use');
    return end(
      turn,
      (state) => replyEvents(state, { ...reply, content }, contextOf(turn)),
      { type: 'refusal' },
      { asked_at, details: explanationOf(details) },
    );
  }
  const over: RunEnd = { stop_reason: { type: 'end_turn' }, stop_details: null, answered: asked_at };
  const ended = await endRun(turn, over, (state) => {
    const answer = replyEvents(state, reply, contextOf(turn));
    return nextStep(after(state, answer)).do === 'rest' ? answer : null;
  });
  if (ended !== null) return ended.step;

  const context = await contextToAsk(turn, reply);
  const appended = await log.append((state) => replyEvents(state, reply, context));
  for (const entry of appended ?? []) {
    if (entry.event.type === 'deckhand.tool_started') for (const id of entry.event.tool_use_ids) turn.mine.add(id);
  }
  await deps.approvals.record(turn.ref, appended ?? []);
  return 'go_on';
}

/** The answer hit a limit: keep the text, drop a call that may be half written, and say so. */
async function cutShort(turn: Turn, reply: Reply, asked_at: number): Promise<StepResult> {
  const content = reply.content.filter((block) => block.type === 'text' && block.text.trim() !== '');
  const message =
    reply.stop_reason === 'max_tokens'
      ? 'The answer reached the longest length of one reply and was cut off. Ask to continue, or for something shorter.'
      : 'The conversation no longer fits what the model can read. Start a new one.';
  const error = { type: 'model_request_failed_error' as const, message, retry_status: { type: 'exhausted' as const } };
  return end(
    turn,
    (state) => [
      ...(content.length === 0
        ? [requestEnd(reply, true, turn.deps.now)]
        : replyEvents(state, { ...reply, content }, contextOf(turn))),
      { ...stamp(turn.deps.now), type: 'session.error', error },
    ],
    { type: 'end_turn' },
    { asked_at },
  );
}

async function failed(
  turn: Turn,
  failure: ModelFailure,
  request: { request_id: string; usage: BetaUsage | null; asked_at?: number },
): Promise<StepResult> {
  const { deps, log } = turn;
  const failures = log.state.failures + 1;
  deps.logger.warn({ ...turn.ref, failures, type: failure.type, reason: failure.message }, 'model request failed');
  const retry = failure.retryable && failures < deps.timings.max_failures;
  const error = (retry_status: 'retrying' | 'exhausted' | 'terminal') => [
    requestEnd(request, true, deps.now),
    sessionError(failure, retry_status, deps.now),
  ];
  if (!retry) {
    const reason = { type: 'retries_exhausted' as const };
    return end(turn, () => error(failure.retryable ? 'exhausted' : 'terminal'), reason, request);
  }
  await log.append(() => [...error('retrying'), { ...stamp(deps.now), type: 'session.status_rescheduled' }]);
  await pause(turn, failure.retry_after_ms ?? backoff(turn, failures));
  return 'go_on';
}

function backoff(turn: Turn, failures: number): number {
  const { retry_ms, retry_max_ms } = turn.deps.timings;
  return Math.min(retry_max_ms, retry_ms * 2 ** (failures - 1)) * turn.deps.jitter();
}

/** Wait, unless somebody presses Stop, the worker goes away or the lease is lost. */
async function pause(turn: Turn, ms: number): Promise<void> {
  const limited = Math.min(ms, turn.deps.timings.retry_max_ms);
  await sleep(limited, undefined, { signal: turn.signal }).catch(() => undefined);
}

/** A worker was lost in the middle of this request: close it and count it, so that a session cannot kill workers forever. */
async function abandonedRequest(turn: Turn, { event_id, seq }: OpenRequest): Promise<StepResult> {
  const failure: ModelFailure = {
    type: 'unknown_error',
    message: 'The worker was lost while Claude was answering.',
    retryable: true,
    retry_after_ms: 0,
  };
  // What came while it was open was answered by nobody.
  return failed(turn, failure, { request_id: event_id, usage: null, asked_at: seq });
}

async function end(
  turn: Turn,
  last: (state: SessionState) => SessionEvent[] | null,
  stop_reason: StopReason,
  { asked_at = turn.log.state.seq, details = null }: { asked_at?: number; details?: RunEnd['stop_details'] } = {},
): Promise<StepResult> {
  const ended = await endRun(turn, { stop_reason, stop_details: details, answered: asked_at }, last);
  return ended?.step ?? 'go_on';
}

function sessionError(
  failure: ModelFailure,
  retry_status: 'retrying' | 'exhausted' | 'terminal',
  now: () => number,
): EventOf<'session.error'> {
  const error = { type: failure.type, message: failure.message, retry_status: { type: retry_status } };
  return { ...stamp(now), type: 'session.error', error: error as EventOf<'session.error'>['error'] };
}

function explanationOf(details: StopDetails): RunEnd['stop_details'] {
  const explanation = typeof details?.explanation === 'string' ? details.explanation : null;
  return { type: 'refusal', category: null, explanation };
}

/** An answer that asks people is stamped by the clock that reminders and expiry go by: a worker's own may be wrong. */
async function contextToAsk(turn: Turn, reply: Reply): Promise<ReplyContext> {
  const context = contextOf(turn);
  const asks = replyEvents(turn.log.state, reply, context).some(({ type }) => type === 'deckhand.approval_requested');
  return asks ? { ...context, asked_at: new Date(await turn.deps.approvals.now()).toISOString() } : context;
}

function contextOf(turn: Turn): ReplyContext {
  return {
    agent: turn.session.agent,
    tools: turn.tools,
    policy: turn.session.approval_policy,
    worker_id: turn.deps.worker_id,
    now: turn.deps.now,
  };
}
