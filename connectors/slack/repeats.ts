import { unescape } from './mrkdwn.ts';

/**
 * What an app says in its text, its blocks and its attachments, each unless another says all of it: a text is often the whole
 * again, its beginning, or a sentence of it. In doubt it is told twice, and nothing is lost.
 */
export function withoutRepeats(text: string, blocks: readonly string[], attached: readonly string[]): string[] {
  const shown = isSaid(blocks.join('\n'), text) ? [] : blocks;
  const head = isSaid(text, [...shown, ...attached].join('\n')) ? [] : [text];
  const before = [...head, ...shown];
  return [...before, ...attached.filter((one) => !isSaid(one, before.join('\n')))];
}

/** Where one sentence, or one part of a headline, ends. */
const ENDS = /\n|(?<=[.!?:;…])\s|\s[-–—|·]\s/;

/** Whether all sentences of this stand in the other in their order, whatever the markup of either. */
function isSaid(text: string, other: string): boolean {
  const all = ` ${wordsOf(other)} `;
  let at = 0;
  return text.split(ENDS).every((sentence) => {
    if (sentence.trim() === '') return true;
    const words = wordsOf(sentence);
    if (words === '') return other.includes(sentence.trim());
    const found = all.indexOf(isCut(sentence) ? ` ${words}` : ` ${words} `, at);
    at = found + words.length;
    return found >= 0;
  });
}

function isCut(sentence: string): boolean {
  return /(?:…|\.\.\.)$/.test(sentence.trim());
}

/** Words alone: links by their labels, no signs, no emoji. */
function wordsOf(text: string): string {
  return unescape(text.replaceAll(/<[^<>|]+\|([^<>]+)>/g, '$1').replaceAll(/\[([^\]]+)\]\([^)\s]*\)/g, '$1'))
    .replaceAll(/:[a-z][\w+'-]*:/g, ' ')
    .replaceAll(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()
    .toLowerCase();
}
