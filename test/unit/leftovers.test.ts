import { expect, it } from 'vitest';
import { placeFor, withoutBeginning } from '../../src/chat/leftovers.ts';
import { livePost as live } from '../support/live-post.ts';

it('a text takes the uppermost place of another, never one of its own and none that is not there', () => {
  const others = [live('dlv_lost', null), live('dlv_lost.2', '3'), live('dlv_lost.10', '4'), live('dlv_lost.1', '2')];
  expect(placeFor('dlv_answer', [live('dlv_answer.1', '1'), ...others])).toBe('2');
  expect(placeFor('dlv_lost.3', others)).toBeNull();
});

it('what is left of a text whose beginning was taken is over, and nothing else', () => {
  const over = [live('dlv_lost.1', '2'), live('dlv_lost.2', '3')];
  expect(withoutBeginning([live('dlv_new', '1'), ...over, live('dlv_new.1', '4')])).toEqual(over);
});
