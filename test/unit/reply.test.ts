import type { BetaContentBlock } from '@anthropic-ai/sdk/resources/beta/messages/messages';
import { describe, expect, it } from 'vitest';
import { replyEvents } from '../../src/harness/reply.ts';
import { emptyState } from '../../src/session/session-state.ts';
import { findUnstorable } from '../../src/session/storable.ts';
import { testAgent } from '../support/harness.ts';

const agent = testAgent({
  tools: [{ type: 'custom', name: 'ask_db', description: 'd', input_schema: { type: 'object' } }],
});

function eventsFor(input: unknown) {
  const use = { type: 'tool_use', id: 'toolu_1', name: 'ask_db', input } as BetaContentBlock;
  return replyEvents(
    emptyState(),
    { model: 'm', content: [use], stop_reason: 'tool_use', usage: null, message_id: 'sevt_m', request_id: 'sevt_r' },
    {
      agent,
      tools: new Map(),
      policy: { approvers: [], four_eyes: false, remind_after_ms: null, expire_after_ms: null },
      worker_id: 'wkr_1',
      now: () => 0,
    },
  );
}

describe('the arguments of a tool call', () => {
  it.each([{ 'a\0b': 1 }, { a: { _bsontype: 'Long' } }, JSON.parse(`${'{"a":'.repeat(90)}1${'}'.repeat(90)}`)])(
    'that the log cannot hold are left out, so that the answer can be recorded',
    (input) => {
      const events = eventsFor(input);
      expect(findUnstorable(events)).toBeNull();
      expect(events.find((event) => event.type === 'agent.custom_tool_use')).toMatchObject({ input: {} });
    },
  );

  it('are kept to the letter otherwise', () => {
    const input = { $set: { 'a.b': 'x' } };
    expect(eventsFor(input).find((event) => event.type === 'agent.custom_tool_use')).toMatchObject({ input });
  });
});
