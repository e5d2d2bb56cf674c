import { expect, it } from 'vitest';
import { createLive } from '../../src/chat/live.ts';
import type { PreviewEvent } from '../../src/session/hints.ts';

const start = (id: string): PreviewEvent => ({ type: 'event_start', event: { type: 'agent.message', id } });
const soFar = (event_id: string, text: string): PreviewEvent => ({ type: 'event_so_far', event_id, blocks: [text] });

it('what a worker says that has lost the session is late, whenever it comes', () => {
  const live = createLive();
  live.accept(soFar('sevt_lost', 'There a'), 1);
  live.accept(soFar('sevt_answer', 'I count'), 2);
  for (const late of [start('sevt_lost'), start('sevt_other'), soFar('sevt_lost', 'There are')]) {
    expect(live.accept(late, 1)).toBe(false);
  }
  expect(live.takeText()).toEqual({ message_id: 'sevt_answer', text: 'I count' });
  expect(live.accept(soFar('sevt_answer', 'I count three'), 2)).toBe(true);
});

it('a text that was heard of first comes back over one of an earlier lease', () => {
  const live = createLive();
  live.accept(soFar('sevt_lost', 'There a'), 1);
  expect(live.accept(soFar('sevt_answer', 'I count'), 2)).toBe(true);
  expect(live.takeText()?.message_id).toBe('sevt_answer');
});

it('the start of a message that is over does not bring it back', () => {
  const live = createLive();
  live.accept(soFar('sevt_next', 'Next'));
  live.settle('sevt_done');
  live.accept(start('sevt_done'));
  expect(live.takeText()?.message_id).toBe('sevt_next');
});
