import type { BetaContentBlock, BetaToolUseBlock, BetaUsage } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { BetaManagedAgentsSessionAgent } from '@anthropic-ai/sdk/resources/beta/sessions/sessions';
import type { ApprovalPolicy, EventOf, SessionEvent } from '../session/event.ts';
import { derivedId, newId } from '../session/id.ts';
import { sessionApprovalOf } from '../session/session-approval.ts';
import type { SessionApproval, SessionState } from '../session/session-state.ts';
import { tailOf } from '../session/text.ts';
import { evaluatePermission, permissionOf } from '../tools/permission.ts';
import { describeUnknownCall, type Tool } from '../tools/tool.ts';
import { cents, listCost } from './budget.ts';
import { withStorableInput } from './reply-check.ts';
import { stamp } from './turn-log.ts';

export interface ReplyContext {
  agent: BetaManagedAgentsSessionAgent;
  tools: ReadonlyMap<string, Tool>;
  policy: ApprovalPolicy;
  worker_id: string;
  now: () => number;
  /** What questions are stamped with, as `approvals.now` says; absent: this answer asks nobody. */
  asked_at?: string;
}

export interface Reply {
  model: string;
  content: BetaContentBlock[];
  stop_reason: string | null;
  usage: BetaUsage | null;
  /** The id under which the text was previewed. */
  message_id: string;
  request_id: string;
}

/**
 * Everything one answer of Claude puts into the log, in one batch: the thinking mark, the message, the tool calls with
 * their verdicts, the questions to people, and the usage. Calls that may run at once count as started from here.
 */
export function replyEvents(state: SessionState, answer: Reply, context: ReplyContext): SessionEvent[] {
  const { now } = context;
  const reply = { ...answer, content: answer.content.map(withStorableInput) };
  const uses = reply.content.filter((block) => block.type === 'tool_use');
  const ids = Object.fromEntries(uses.map((use) => [use.id, newId('sevt', now())]));
  const calls = uses.flatMap((use) =>
    callEvents(state, { use, why: wordsBefore(reply.content, use) }, ids[use.id] ?? '', context),
  );
  const cost = reply.usage === null ? 0 : listCost(reply.model, reply.usage);
  return [
    {
      ...stamp(now),
      type: 'deckhand.model_reply',
      model: reply.model,
      content: reply.content,
      stop_reason: reply.stop_reason,
      tool_use_events: ids,
      cost_micro_usd: cost,
    },
    ...(reply.content.some((block) => block.type === 'thinking' || block.type === 'redacted_thinking')
      ? [{ ...stamp(now), type: 'agent.thinking' } satisfies EventOf<'agent.thinking'>]
      : []),
    ...(reply.content.some((block) => block.type === 'compaction')
      ? [{ ...stamp(now), type: 'agent.thread_context_compacted' } satisfies SessionEvent]
      : []),
    ...messageEvent(reply, now),
    ...calls,
    requestEnd(reply, false, now),
    usageEvent(addUsage(state, reply.usage, cost ?? 0), now),
  ];
}

/** The end of a model request, with what it used. */
export function requestEnd(
  reply: { request_id: string; usage: BetaUsage | null },
  isError: boolean,
  now: () => number,
): EventOf<'span.model_request_end'> {
  return {
    ...stamp(now),
    type: 'span.model_request_end',
    model_request_start_id: reply.request_id,
    is_error: isError,
    model_usage: {
      input_tokens: reply.usage?.input_tokens ?? 0,
      output_tokens: reply.usage?.output_tokens ?? 0,
      cache_creation_input_tokens: reply.usage?.cache_creation_input_tokens ?? 0,
      cache_read_input_tokens: reply.usage?.cache_read_input_tokens ?? 0,
    },
  };
}

type Snapshot = SessionState['usage'];

function usageEvent(usage: Snapshot, now: () => number): EventOf<'session.usage'> {
  return { ...stamp(now), type: 'session.usage', usage };
}

function addUsage(state: SessionState, usage: BetaUsage | null, cost: number): Snapshot {
  const before = state.usage;
  const written = usage?.cache_creation_input_tokens ?? 0;
  const for1h = usage?.cache_creation?.ephemeral_1h_input_tokens ?? 0;
  return {
    ...before,
    input_tokens: (before.input_tokens ?? 0) + (usage?.input_tokens ?? 0),
    output_tokens: (before.output_tokens ?? 0) + (usage?.output_tokens ?? 0),
    cache_read_input_tokens: (before.cache_read_input_tokens ?? 0) + (usage?.cache_read_input_tokens ?? 0),
    cache_creation: {
      ephemeral_1h_input_tokens: (before.cache_creation?.ephemeral_1h_input_tokens ?? 0) + for1h,
      ephemeral_5m_input_tokens: (before.cache_creation?.ephemeral_5m_input_tokens ?? 0) + written - for1h,
    },
    list_cost: { amount: cents(state.cost_micro_usd + cost), currency: 'USD' },
  };
}

/** The usage so far with the running time up to now: said when a run goes idle. */
export function closingUsage(state: SessionState, now: () => number): EventOf<'session.usage'> {
  const since = state.running_since === null ? now() : Date.parse(state.running_since);
  const active = (state.usage.active_seconds ?? 0) + Math.max(0, now() - since) / 1000;
  return usageEvent({ ...state.usage, active_seconds: Math.round(active * 1000) / 1000 }, now);
}

function messageEvent(reply: Reply, now: () => number): SessionEvent[] {
  const content = reply.content.flatMap((block) =>
    block.type === 'text' && block.text.trim() !== '' ? [{ type: 'text' as const, text: block.text }] : [],
  );
  if (content.length === 0) return [];
  return [{ ...stamp(now), id: reply.message_id, type: 'agent.message', content }];
}

/** A call, and what Claude said before it. */
interface Call {
  use: BetaToolUseBlock;
  why: string;
}

const WHY_CHARS = 300;

function wordsBefore(content: readonly BetaContentBlock[], use: BetaToolUseBlock): string {
  const said = content.slice(0, content.indexOf(use)).flatMap((block) => (block.type === 'text' ? [block.text] : []));
  const words = said.join(' ').replace(/\s+/g, ' ').trim();
  // The last words are nearest to what is asked.
  return words.length <= WHY_CHARS ? words : `…${tailOf(words, WHY_CHARS - 1)}`;
}

function callEvents(state: SessionState, { use, why }: Call, id: string, context: ReplyContext): SessionEvent[] {
  const { now } = context;
  const input = isRecord(use.input) ? use.input : {};
  if (context.agent.tools.some((tool) => tool.type === 'custom' && tool.name === use.name)) {
    return [{ ...stamp(now), id, type: 'agent.custom_tool_use', name: use.name, input }];
  }
  const verdict = evaluatePermission(permissionOf(context.agent.tools, use.name), use.name, use.input);
  const call: EventOf<'agent.tool_use'> = {
    ...stamp(now),
    id,
    type: 'agent.tool_use',
    name: use.name,
    input,
    ...verdict,
  };
  switch (verdict.evaluated_permission) {
    case 'deny':
      return [call];
    case 'allow':
      return [call, startedEvent([id], context)];
    case 'ask': {
      const reused = sessionApprovalOf(state, use.name, input, context.policy);
      if (reused !== null) return runApproved(call, id, reused, context);
      return [call, askEvent(state, { name: use.name, input, why }, id, context)];
    }
    default:
      return verdict.evaluated_permission satisfies never;
  }
}

/** It would ask, and somebody has answered for the whole session: who and when stands beside the call. */
function runApproved(
  call: EventOf<'agent.tool_use'>,
  id: string,
  approval: SessionApproval,
  context: ReplyContext,
): SessionEvent[] {
  const { approval_id, approved_by, approved_at } = approval;
  return [
    { ...call, evaluated_permission: 'allow' },
    { ...stamp(context.now), type: 'deckhand.approval_reused', tool_use_id: id, approval_id, approved_by, approved_at },
    startedEvent([id], context),
  ];
}

export function startedEvent(
  ids: string[],
  context: { worker_id: string; now: () => number },
): EventOf<'deckhand.tool_started'> {
  return { ...stamp(context.now), type: 'deckhand.tool_started', tool_use_ids: ids, worker: context.worker_id };
}

function askEvent(
  state: SessionState,
  { name, input, why }: { name: string; input: Record<string, unknown>; why: string },
  id: string,
  context: ReplyContext,
): EventOf<'deckhand.approval_requested'> {
  const [requested_by = null, ...also_asked] = state.requesters;
  const words = context.tools.get(name)?.describe(input) ?? describeUnknownCall(name, input);
  return {
    ...stamp(context.now),
    type: 'deckhand.approval_requested',
    approval_id: derivedId('appr', id),
    tool_use_id: id,
    tool_name: name,
    ...(context.asked_at === undefined ? {} : { asked_at: context.asked_at }),
    summary: words.summary,
    detail: words.detail,
    ...(why === '' ? {} : { why }),
    requested_by,
    ...(also_asked.length === 0 ? {} : { also_asked }),
    policy: context.policy,
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
