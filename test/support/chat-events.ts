import type { Actor, ApprovalPolicy, EventOf, StopReason } from '../../src/session/event.ts';
import { REMOVAL } from './cards.ts';
import type { NewEvent } from './chat-stage.ts';

/** Events as a turn appends them; say only what the test is about. */
export function says(text: string, id?: string): NewEvent {
  return { type: 'agent.message', content: [{ type: 'text', text }], ...(id === undefined ? {} : { id }) };
}

/** What stands before each message: how Claude's reply ended (null: by a Stop), and the ids of its calls. */
export function replied(stop_reason: 'end_turn' | 'tool_use' | null, calls: readonly string[] = []): NewEvent {
  return {
    type: 'deckhand.model_reply',
    model: 'claude-sonnet-5-5',
    content: [],
    stop_reason,
    tool_use_events: Object.fromEntries(calls.map((id) => [`toolu_${id}`, id])),
    cost_micro_usd: 0,
  };
}

export function uses(id: string): NewEvent {
  return { id, type: 'agent.tool_use', name: 'bash', input: { command: 'ls' }, evaluated_permission: 'allow' };
}

export function returns(tool_use_id: string, text = 'fine', is_error = false): NewEvent {
  return { type: 'agent.tool_result', tool_use_id, content: [{ type: 'text', text }], is_error };
}

export function ends(stop_reason: StopReason = { type: 'end_turn' }): NewEvent {
  return { type: 'session.status_idle', stop_details: null, stop_reason };
}

type Retry = EventOf<'session.error'>['error']['retry_status']['type'];

export function errs(message: string, retry: Retry): NewEvent {
  return { type: 'session.error', error: { type: 'unknown_error', message, retry_status: { type: retry } } };
}

export function asks(approval_id: string, tool_use_id: string, policy: Partial<ApprovalPolicy> = {}): NewEvent[] {
  return [
    {
      id: tool_use_id,
      type: 'agent.tool_use',
      name: 'bash',
      input: { command: 'rm -rf build' },
      evaluated_permission: 'ask',
    },
    {
      type: 'deckhand.approval_requested',
      approval_id,
      tool_use_id,
      tool_name: 'bash',
      summary: REMOVAL.summary,
      detail: REMOVAL.detail,
      requested_by: null,
      policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null, ...policy },
    },
    ends({ type: 'requires_action', event_ids: [tool_use_id] }),
  ];
}

export function decided(
  approval_id: string,
  tool_use_id: string,
  outcome: EventOf<'deckhand.approval_decided'>['outcome'],
  by: Actor | null,
): NewEvent {
  return { type: 'deckhand.approval_decided', approval_id, tool_use_id, outcome, by, reason: null };
}
