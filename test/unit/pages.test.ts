import { describe, expect, it } from 'vitest';
import { pageOf } from '../../src/chat/commands/pages.ts';

const items = (count: number) => Array.from({ length: count }, (_, n) => n);
const over = { size: 10, command: '/sessions mine' };

describe('a page of a list', () => {
  it('is the whole of a short one, without a word about others', () => {
    expect(pageOf({ items: items(10), more: false }, { word: '', ...over })).toEqual({
      items: items(10),
      place: '',
      rest: '',
    });
  });

  it('says which of how many it shows, and how to see the next', () => {
    expect(pageOf({ items: items(37), more: false }, { word: '2', ...over })).toEqual({
      items: items(37).slice(10, 20),
      place: ' (11 to 20 of 37)',
      rest: '`/sessions mine 3` shows the next.',
    });
  });

  it('says where the others are when there are more than are looked at', () => {
    expect(pageOf({ items: items(100), more: true }, { word: '10', ...over })).toMatchObject({
      place: ' (91 to 100 of more than 100)',
      rest: 'Older ones are in the API.',
    });
  });

  it.each(['0', '5', '-1', '1.5', 'two'])('that there is not is answered with those that there are: %s', (word) => {
    expect(pageOf({ items: items(37), more: false }, { word, ...over })).toContain('the pages 1 to 4');
    expect(pageOf({ items: items(3), more: false }, { word, ...over })).toContain('There is one page');
  });
});
