import { expect, it } from 'vitest';
import { createLive } from '../../src/chat/live.ts';

it('a text that another one followed is not brought back by what comes late of it', () => {
  const live = createLive();
  live.accept({ type: 'event_so_far', event_id: 'sevt_lost', blocks: ['There a'] });
  live.accept({ type: 'event_so_far', event_id: 'sevt_answer', blocks: ['I count'] });
  expect(live.accept({ type: 'event_so_far', event_id: 'sevt_lost', blocks: ['There are'] })).toBe(false);
  expect(live.takeText()).toEqual({ message_id: 'sevt_answer', text: 'I count' });
});
