import { expect, test } from 'vitest';
import { copyOf } from '../../../bench/seed.ts';

const at = new Date('2026-11-20T12:00:00Z');
const message = { id: 'sevt_a', type: 'user.message' };
const processed = { id: 'sevt_b', type: 'deckhand.input_processed', event_ids: ['sevt_a'] };
const template = {
  session: {
    _id: 'sesn_1',
    workspace_id: 'wrkspc_1',
    log: { seq: 2, tail: [], status: 'idle' },
  },
  events: [
    {
      _id: 'sevt_a',
      session_id: 'sesn_1',
      seq: 1,
      created_at: at,
      type: 'user.message',
      event: message,
      by: { via: 'api' },
    },
    { _id: 'sevt_b', session_id: 'sesn_1', seq: 2, created_at: at, type: 'deckhand.input_processed', event: processed },
  ],
};

test('a copy is a session of its own whose log says the same several times', () => {
  const { session, events } = copyOf(template, 3, at);
  expect(session['_id']).not.toBe('sesn_1');
  expect(events.map((event) => [event['session_id'], event['seq'], event['type']])).toEqual(
    [1, 2, 3, 4, 5, 6].map((seq) => [session['_id'], seq, seq % 2 === 1 ? 'user.message' : 'deckhand.input_processed']),
  );
  expect(new Set(events.map((event) => event['_id'])).size).toBe(6);
});

test('what names an event names the copy', () => {
  const { events } = copyOf(template, 2, at);
  for (const [index, event] of events.entries()) {
    expect(event['event'].id).toBe(event['_id']);
    if (index % 2 === 1) expect(event['event'].event_ids).toEqual([events[index - 1]?.['_id']]);
  }
});

test('the head stands at the last event', () => {
  expect(copyOf(template, 2, at).session.log).toEqual({ seq: 4, status: 'idle', tail: [] });
});
