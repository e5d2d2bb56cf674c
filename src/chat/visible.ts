/**
 * Characters that take no room, change the direction of what follows, or go back over what was written: what is read is then
 * not what runs (trojansource.codes). Line feeds and tabs are what they look like.
 */
const HIDDEN = /(?![\n\t])[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A command as people are asked about it: each character that nobody would see stands there by its number, `⟨U+202E⟩`. */
export function visible(text: string): string {
  return text.replace(HIDDEN, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `⟨U+${code.toString(16).toUpperCase().padStart(4, '0')}⟩`;
  });
}
