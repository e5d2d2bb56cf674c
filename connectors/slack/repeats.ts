import { unescape } from './mrkdwn.ts';

/** Characters that are looked at; of an app that says more, all is told as it stands. */
const MOST = 40_000;

/**
 * What an app says in its text, its blocks and its attachments, each unless another says all of it: a text is often the whole
 * again, its beginning, or a sentence of it. In doubt it is told twice, and nothing is lost.
 */
export function withoutRepeats(text: string, blocks: readonly string[], attached: readonly string[]): string[] {
  const all = [text, ...blocks, ...attached];
  if (all.reduce((sum, part) => sum + part.length, 0) > MOST) return all;
  const shown = saysAllOf(text)(blocks.join('\n')) ? [] : blocks;
  const head = saysAllOf([...shown, ...attached].join('\n'))(text) ? [] : [text];
  const before = [...head, ...shown];
  const isSaidBefore = saysAllOf(before.join('\n'));
  return [...before, ...attached.filter((one) => !isSaidBefore(one))];
}

/** Where one sentence, or one part of a headline, ends. */
const ENDS = /\n|(?<=[.!?:;…])\s|\s[-–—|·]\s/;

/** Tells whether all sentences of another text stand in this one in their order, whatever the markup of either. */
function saysAllOf(said: string): (text: string) => boolean {
  const all = ` ${wordsOf(said)} `;
  return (text) => {
    let at = 0;
    return text.split(ENDS).every((sentence) => {
      if (sentence.trim() === '') return true;
      const words = wordsOf(sentence);
      if (words === '') return said.includes(sentence.trim());
      const found = all.indexOf(isCut(sentence) ? ` ${words}` : ` ${words} `, at);
      at = found + words.length;
      return found >= 0;
    });
  };
}

function isCut(sentence: string): boolean {
  return /(?:…|\.\.\.)$/.test(sentence.trim());
}

/** Words alone: links by their labels, no signs, no emoji. No pattern looks further than to where it could begin again. */
function wordsOf(text: string): string {
  return unescape(text.replaceAll(/<[^<>|]+\|([^<>]+)>/g, '$1').replaceAll(/\[([^[\]]+)\]\([^()\s]*\)/g, '$1'))
    .replaceAll(/:[a-z][\w+'-]*:/g, ' ')
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .toLowerCase();
}
