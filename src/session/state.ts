import type { BetaContentBlock } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import type { Actor, EventOf, LogEntry, SessionEvent, SessionScope } from './event.ts';
import { fingerprint } from './fingerprint.ts';
import { outputAt, putOutput } from './left-outputs.ts';
import { DECKHAND } from './log.ts';
import { OUTPUTS } from './mounts.ts';
import {
  emptyState,
  type QueuedMessage,
  type ResultContent,
  type SessionState,
  type ToolCall,
  type TranscriptItem,
} from './session-state.ts';
import { tailOf } from './text.ts';
import { lighten, weightOfAll } from './transcript-weight.ts';

/** Output of a running call that the state keeps. */
const PROGRESS_CHARS = 2_000;

/**
 * Grows with every change to what the fold makes of an event, and to how checkpoints are kept, so that nobody goes on
 * from what another version saved.
 */
export const STATE_VERSION = 10;

/** The state after these entries, which must follow `from` without a gap. `from` is left as it was. */
export function fold(entries: readonly LogEntry[], from: SessionState = emptyState()): SessionState {
  const state: SessionState = {
    ...from,
    transcript: [...from.transcript],
    queued: [...from.queued],
    interrupts: [...from.interrupts],
    unmarked: [...from.unmarked],
    calls: from.calls.map((call) => ({ ...call })),
    session_approvals: [...from.session_approvals],
  };
  for (const entry of entries) {
    if (entry.seq !== state.seq + 1) {
      throw new Error(`Entry ${entry.seq} does not follow ${state.seq}: the log was read with a gap`);
    }
    state.seq = entry.seq;
    apply(state, entry.event, entry.by ?? null, entry.seq);
  }
  return state;
}

function apply(state: SessionState, event: SessionEvent, by: Actor | null, seq: number): void {
  switch (event.type) {
    case 'user.message':
      queue(state, { event_id: event.id, seq, item: { role: 'user', content: event.content, by }, by });
      return;
    case 'system.message':
      queue(state, { event_id: event.id, seq, item: { role: 'system', content: event.content }, by });
      return;
    case 'user.interrupt':
      state.interrupts.push({ event_id: event.id, seq, by });
      return;
    case 'user.tool_confirmation': {
      const call = openCall(state, event.tool_use_id);
      if (call !== undefined && call.confirmation === null) {
        call.confirmation = { result: event.result, message: event.deny_message ?? null, by };
      }
      state.unmarked.push(event.id);
      return;
    }
    case 'user.custom_tool_result':
      settle(state, event.custom_tool_use_id, event.content, event.is_error);
      state.unmarked.push(event.id);
      return;
    case 'user.tool_result':
      settle(state, event.tool_use_id, event.content, event.is_error);
      state.unmarked.push(event.id);
      return;
    case 'deckhand.approval_decided':
      if (event.outcome === 'allowed' && event.for_session !== undefined) keepApproval(state, event, event.for_session);
      return;
    case 'deckhand.run_ending': {
      const { stop_reason, stop_details, answered } = event;
      state.ending = { stop_reason, stop_details, answered };
      return;
    }
    case 'deckhand.output_shared':
      putOutput(state, event, { sha256: event.sha256, size_bytes: event.size_bytes });
      state.outputs_waiting = 0;
      return;
    case 'deckhand.outputs_unchanged':
      for (const file of event.files) putOutput(state, file, outputAt(state, file.path)?.content ?? null);
      return;
    case 'deckhand.output_withheld':
      for (const file of event.files) putOutput(state, file, null);
      state.outputs_waiting = event.waiting;
      state.untold = [...state.untold, event.text];
      return;
    case 'deckhand.input_processed':
      takeUp(state, new Set(event.event_ids));
      return;
    case 'span.model_request_start':
      state.open_request = { event_id: event.id, seq };
      return;
    case 'span.model_request_end':
      state.open_request = null;
      return;
    case 'deckhand.model_reply':
      reply(state, event.content);
      state.tool_use_ids = Object.fromEntries(Object.entries(event.tool_use_events).map(([use, id]) => [id, use]));
      state.failures = 0;
      state.cost_micro_usd += event.cost_micro_usd ?? 0;
      state.unpriced ||= event.cost_micro_usd === null;
      return;
    case 'agent.tool_use':
      state.calls.push(newCall(state, event, 'agent', event.evaluated_permission ?? 'allow'));
      return;
    case 'agent.mcp_tool_use':
      state.calls.push(newCall(state, event, 'mcp', event.evaluated_permission ?? 'allow'));
      return;
    case 'agent.custom_tool_use':
      state.calls.push(newCall(state, event, 'custom', 'allow'));
      return;
    case 'deckhand.tool_started':
      for (const call of state.calls) if (event.tool_use_ids.includes(call.event_id)) call.starts += 1;
      return;
    case 'deckhand.tool_progress': {
      const call = openCall(state, event.tool_use_id);
      if (call !== undefined) call.progress = tailOf(call.progress + event.text, PROGRESS_CHARS);
      return;
    }
    case 'agent.tool_result':
      settle(state, event.tool_use_id, event.content, event.is_error);
      return;
    case 'agent.mcp_tool_result':
      settle(state, event.mcp_tool_use_id, event.content, event.is_error);
      return;
    case 'session.status_running':
      state.status = 'running';
      state.stopped = false;
      state.interrupted = false;
      state.running_since = event.processed_at;
      return;
    case 'session.status_rescheduled':
      state.status = 'rescheduling';
      return;
    case 'session.status_idle':
      state.status = 'idle';
      state.stop_reason = event.stop_reason;
      state.ending = null;
      // Waiting for a person is a pause of the same run; everything else ends it.
      state.stopped = event.stop_reason.type !== 'requires_action';
      // After anything else, a Stop or an answer that was cut off, what was asked for may still be done.
      state.answered ||= event.stop_reason.type === 'end_turn' && !state.interrupted && state.failures === 0;
      state.running_since = null;
      return;
    case 'session.status_terminated':
      state.status = 'terminated';
      state.running_since = null;
      return;
    case 'session.error':
      state.failures += 1;
      return;
    case 'session.usage':
      state.usage = event.usage;
      return;
    case 'session.updated':
      if (event.budget === undefined) return;
      state.budget_change = { seq, budget: event.budget };
      // A raised or removed budget lets a run that stopped for it go on.
      if (state.stop_reason?.type === 'budget_reached') state.stopped = false;
      return;
    default:
      // Everything else is for people and dashboards; the state does not depend on it.
      return;
  }
}

function queue(state: SessionState, message: QueuedMessage): void {
  state.queued.push(message);
  lighten(state, message.item);
}

function takeUp(state: SessionState, ids: ReadonlySet<string>): void {
  for (const message of state.queued) {
    if (!ids.has(message.event_id)) continue;
    tellAgent(state);
    state.transcript.push(message.item);
    // What was said before, which Deckhand hands over, asks for nothing.
    if (message.by !== null && message.by.via !== DECKHAND.via) addRequester(state, message.by);
    state.failures = 0;
  }
  state.queued = state.queued.filter((message) => !ids.has(message.event_id));
  const open = state.interrupts.filter((one) => !ids.has(one.event_id));
  state.interrupted ||= open.length < state.interrupts.length;
  state.interrupts = open;
  state.unmarked = state.unmarked.filter((id) => !ids.has(id));
}

function addRequester(state: SessionState, by: Actor): void {
  const before = state.answered ? [] : state.requesters;
  state.answered = false;
  state.requesters = before.some(({ via, id }) => via === by.via && id === by.id) ? before : [...before, by];
}

/** What people were told of its files, before what they say next: they may speak of it. */
function tellAgent(state: SessionState): void {
  if (state.untold.length === 0) return;
  const quoted = state.untold.join('\n').replace(/^/gm, '> ');
  const text = `When your turn ended, people were told of the files in ${OUTPUTS}:\n${quoted}`;
  const item: TranscriptItem = { role: 'system', content: [{ type: 'text', text }] };
  state.transcript.push(item);
  lighten(state, item);
  state.untold = [];
}

function settle(
  state: SessionState,
  eventId: string,
  content: ResultContent | undefined,
  isError: boolean | null | undefined,
): void {
  const call = openCall(state, eventId);
  if (call === undefined) return;
  call.result = { content: content ?? [], is_error: isError === true };
  if (state.calls.some((other) => other.result === null)) return;
  const results = state.calls.map((done) => ({
    tool_use_id: done.tool_use_id,
    content: done.result?.content ?? [],
    is_error: done.result?.is_error ?? true,
  }));
  const item: TranscriptItem = { role: 'tools', results };
  state.transcript.push(item);
  lighten(state, item);
  state.calls = [];
}

/** The decision stands beside the call's confirmation, so the call is still open. */
function keepApproval(state: SessionState, event: EventOf<'deckhand.approval_decided'>, scope: SessionScope): void {
  const call = openCall(state, event.tool_use_id);
  if (call === undefined) return;
  state.session_approvals.push({
    approval_id: event.approval_id,
    tool_name: call.name,
    arguments: scope === 'tool' ? null : fingerprint(call.input),
    approved_by: event.approved_by ?? (event.by === null ? [] : [event.by]),
    approved_at: event.processed_at,
  });
}

function openCall(state: SessionState, eventId: string): ToolCall | undefined {
  return state.calls.find((call) => call.event_id === eventId && call.result === null);
}

function newCall(
  state: SessionState,
  event: { id: string; name: string; input: Record<string, unknown> },
  kind: ToolCall['kind'],
  permission: ToolCall['permission'],
): ToolCall {
  return {
    event_id: event.id,
    tool_use_id: state.tool_use_ids[event.id] ?? event.id,
    kind,
    name: event.name,
    input: event.input,
    permission,
    starts: 0,
    progress: '',
    confirmation: null,
    result: null,
  };
}

/**
 * A compaction block stands for everything before it. Of that only the last message of a person's is kept, because a
 * conversation has to begin with the user's side.
 */
function reply(state: SessionState, content: BetaContentBlock[]): void {
  const item: TranscriptItem = { role: 'assistant', content };
  if (content.some((block) => block.type === 'compaction')) {
    const last = state.transcript.findLast((before) => before.role === 'user');
    state.transcript = last === undefined ? [] : [last];
    state.bytes = weightOfAll([...state.transcript, ...state.queued.map((message) => message.item)]);
  }
  state.transcript.push(item);
  lighten(state, item);
}
