import { describe, expect, it } from 'vitest';
import { toMessages } from '../../../src/harness/prompt.ts';
import type { LogEntry, NewEntry } from '../../../src/session/event.ts';
import { numbered } from '../../../src/session/log-document.ts';
import { emptyState, type SessionState } from '../../../src/session/session-state.ts';
import { fold } from '../../../src/session/state.ts';
import { customCall, processed, userMessage } from '../../support/entries.ts';

const HEAVY = 8_000_000;
/** The Messages API's largest request. */
const REQUEST_BYTES = 32_000_000;

const created_at = new Date(0);
const placed = (entries: NewEntry[]): LogEntry[] =>
  numbered(
    entries.map((entry) => ({ created_at, ...entry })),
    0,
  );

function weight(state: SessionState): number {
  return Buffer.byteLength(JSON.stringify(state));
}

function result(id: string): NewEntry {
  const content = [{ type: 'text' as const, text: 'r'.repeat(HEAVY) }];
  const event = {
    id: `${id}r`,
    type: 'user.custom_tool_result' as const,
    custom_tool_use_id: id,
    content,
    processed_at: null,
  };
  return { event };
}

describe('a conversation of messages of the largest size', () => {
  const messages = Array.from({ length: 12 }, (_, n) => userMessage(`${n} ${'x'.repeat(HEAVY)}`));
  const last = userMessage('and so?');
  const log = placed([...messages, last, processed(...[...messages, last].map(({ event }) => event.id))]);

  it('never weighs more than one request may, waiting or taken up, and keeps the newest', () => {
    let state = emptyState();
    for (const entry of log) {
      state = fold([entry], state);
      expect(weight(state)).toBeLessThan(REQUEST_BYTES);
    }
    const said = state.transcript.map((item) => JSON.stringify(item));
    expect(said).toHaveLength(13);
    expect(said[0]).toContain('bytes stood here: too old and too large to be kept in sight');
    expect(said[11]).toContain(`11 xxx`);
    expect(said[12]).toContain('and so?');
    expect(JSON.stringify(toMessages(state.transcript)).length).toBeLessThan(REQUEST_BYTES);
  });

  it('means the same in one piece, in several, and from a checkpoint', () => {
    const whole = fold(log);
    const half = JSON.parse(JSON.stringify(fold(log.slice(0, 7)))) as SessionState;
    expect(fold(log.slice(7), half)).toEqual(whole);
    expect(whole.bytes).toBe(whole.transcript.reduce((sum, item) => sum + Buffer.byteLength(JSON.stringify(item)), 0));
  });

  it('keeps the results of one answer’s calls in their places, however heavy', () => {
    const ids = ['sevt_a', 'sevt_b', 'sevt_c', 'sevt_d'];
    const state = fold(placed([...ids.map((id) => customCall(id)), ...ids.map(result)]));
    const [item] = state.transcript;
    expect(item?.role === 'tools' && item.results.map((one) => one.tool_use_id)).toEqual(ids);
    expect(weight(state)).toBeLessThan(REQUEST_BYTES);
  });
});
