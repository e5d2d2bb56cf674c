/** Longest name in bytes of UTF-8. Linux takes 255; a number and a delivery's id still have to fit. */
const MOST_BYTES = 180;
/** A longer ending is part of the name. */
const LONGEST_ENDING = 20;
/** What would lead elsewhere (slashes), hide something (controls, marks that turn the reading direction) or break a line. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Surrogate}/\\\u061C\u200B-\u200F\u202A-\u202E\u2060-\u2069\uFEFF]/gu;

/** A name as somebody gave it, as one harmless path component: never empty, hidden, an option or another folder's. */
export function safeFileName(name: string): string {
  const harmless = name.normalize('NFC').replace(UNSAFE, '_').trim();
  const visible = harmless.replace(/^[.~-]+/, (dots) => '_'.repeat(Math.min(dots.length, 2)));
  const { stem, ending } = splitName(visible === '' ? 'file' : visible);
  return shortened(stem, MOST_BYTES - Buffer.byteLength(ending)) + ending;
}

/** The same name with a number before its ending: `report-2.pdf`. From the first on it has none. */
export function numberedName(name: string, n: number): string {
  if (n <= 1) return name;
  const { stem, ending } = splitName(name);
  return `${stem}-${n}${ending}`;
}

function splitName(name: string): { stem: string; ending: string } {
  const dot = name.lastIndexOf('.');
  if (dot <= 0 || name.length - dot > LONGEST_ENDING) return { stem: name, ending: '' };
  return { stem: name.slice(0, dot), ending: name.slice(dot) };
}

/** Whole characters of it, in at most so many bytes. */
function shortened(text: string, bytes: number): string {
  let short = '';
  let size = 0;
  for (const character of text) {
    size += Buffer.byteLength(character);
    if (size > bytes) break;
    short += character;
  }
  return short;
}
