import { fromTo } from './words.ts';

/** Of a list that answers a command, so many are looked at; the API has the others. */
export const LOOKED_AT = 100;

/** One page of a list, and what there is to say of the others. */
export interface ListPage<T> {
  items: T[];
  /** Behind a heading: ` (11 to 20 of 37)`; empty when it is the whole list. */
  place: string;
  /** A line on how to see the rest; empty when there is none. */
  rest: string;
}

/**
 * @param found the first hundred at most, `more` when there are others
 * @param word which page, as somebody typed it: from 1, empty for the first
 * @param command that shows a page when its number stands behind it
 * @returns the page, or a sentence that says which there are
 */
export function pageOf<T>(
  found: { items: readonly T[]; more: boolean },
  { word, size, command }: { word: string; size: number; command: string },
): ListPage<T> | string {
  const { items, more } = found;
  const pages = Math.max(1, Math.ceil(items.length / size));
  const page = word === '' ? 1 : Number(word);
  if (!Number.isInteger(page) || page < 1 || page > pages) {
    return `${pages === 1 ? 'There is one page' : `There are the pages 1 to ${pages}`}: \`${command}${pages === 1 ? '' : ' 2'}\`.`;
  }
  const from = (page - 1) * size;
  const shown = items.slice(from, from + size);
  if (pages === 1 && !more) return { items: shown, place: '', rest: '' };
  const all = more ? `more than ${items.length}` : String(items.length);
  const older = more ? 'Older ones are in the API.' : '';
  return {
    items: shown,
    place: ` (${fromTo(from + 1, from + shown.length)} of ${all})`,
    rest: page < pages ? `\`${command} ${page + 1}\` shows the next.` : older,
  };
}
