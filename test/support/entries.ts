import type { Actor, NewEntry, SessionEvent } from '../../src/session/event.ts';
import { newId } from '../../src/session/id.ts';

/** Entries as a log gets them, with as little noise as a test can bear. */

const at = () => new Date().toISOString();

export function userMessage(text: string, by?: Actor): NewEntry {
  const event: SessionEvent = {
    id: newId('sevt'),
    type: 'user.message',
    content: [{ type: 'text', text }],
    processed_at: null,
  };
  return by === undefined ? { event } : { event, by };
}

export function agentMessage(text: string, id: string = newId('sevt')): NewEntry {
  return { event: { id, type: 'agent.message', content: [{ type: 'text', text }], processed_at: at() } };
}

export function processed(...event_ids: string[]): NewEntry {
  return { event: { id: newId('sevt'), type: 'deckhand.input_processed', event_ids, processed_at: at() } };
}

export function note(text: string): NewEntry {
  return { event: { id: newId('sevt'), type: 'deckhand.note', text, processed_at: at() } };
}

export function running(): NewEntry {
  return { event: { id: newId('sevt'), type: 'session.status_running', processed_at: at() } };
}

export function idle(type: 'end_turn' | 'budget_reached' = 'end_turn'): NewEntry {
  return {
    event: {
      id: newId('sevt'),
      type: 'session.status_idle',
      stop_reason: { type },
      stop_details: null,
      processed_at: at(),
    },
  };
}

export function terminated(): NewEntry {
  return { event: { id: newId('sevt'), type: 'session.status_terminated', processed_at: at() } };
}

export function usage(cents: string): NewEntry {
  const list_cost = { amount: cents, currency: 'USD' } as const;
  return {
    event: { id: newId('sevt'), type: 'session.usage', usage: { list_cost, input_tokens: 5 }, processed_at: at() },
  };
}

export function customCall(id: string, name = 'ask_db'): NewEntry {
  return { event: { id, type: 'agent.custom_tool_use', name, input: { q: 1 }, processed_at: at() } };
}

/** A call that waits for a person, with the question about it. */
export function askedCall(id: string): NewEntry[] {
  return [
    {
      event: {
        id,
        type: 'agent.tool_use',
        name: 'bash',
        input: { command: 'rm x' },
        evaluated_permission: 'ask',
        processed_at: at(),
      },
    },
    {
      event: {
        id: newId('sevt'),
        type: 'deckhand.approval_requested',
        approval_id: id.replace('sevt_', 'appr_'),
        tool_use_id: id,
        tool_name: 'bash',
        summary: 'Run rm x',
        detail: 'rm x',
        requested_by: null,
        policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
        processed_at: at(),
      },
    },
  ];
}
