import type { Fields } from './command.ts';

/** What stands behind a slash and a command's name, taken apart. */
export interface ParsedCommand {
  /** In small letters; empty when nothing was said. */
  subcommand: string;
  /** The rest of the first line. */
  args: string;
  /** `field: value` lines below it; null when there are none. */
  fields: Fields | null;
  /** A line below the first that belongs to no field. */
  stray: string | null;
}

const FIRST_WORD = /^(\S*)\s*(.*)$/s;
const FIELD = /^\s*([a-z_]+)\s*:\s?(.*)$/i;

/**
 * The first line says what to do. Each line below begins a field with its name and a colon, or goes on with the field
 * above it, so that instructions may have as many lines as they need.
 * @param names of fields; anything else before a colon is a part of the text
 */
export function parseCommand(text: string, names: readonly string[]): ParsedCommand {
  const [first = '', ...lines] = text.trim().split('\n');
  const [, subcommand = '', args = ''] = FIRST_WORD.exec(first.trim()) ?? [];
  const fields: Record<string, string> = {};
  let current: string | null = null;
  let stray: string | null = null;
  for (const line of lines) {
    const [, name, value = ''] = FIELD.exec(line) ?? [];
    const known = name?.toLowerCase();
    if (known !== undefined && names.includes(known)) {
      current = known;
      fields[known] = value;
    } else if (current !== null) fields[current] += `\n${line}`;
    else if (line.trim() !== '') stray ??= line.trim();
  }
  return {
    subcommand: subcommand.toLowerCase(),
    args: args.trim(),
    fields: current === null ? null : Object.fromEntries(Object.entries(fields).map(([k, v]) => [k, v.trim()])),
    stray,
  };
}

/** The known word that somebody most likely meant; null when none is near. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  // Two slips in a word of four letters (two that changed places are two), one in a shorter one.
  let least = Math.max(word.length < 4 ? 1 : 2, Math.floor(word.length / 2.5)) + 1;
  for (const one of known) {
    const distance = distanceOf(word.toLowerCase(), one.toLowerCase());
    if (distance < least) [best, least] = [one, distance];
  }
  return best;
}

/** Levenshtein's: how many letters must be added, left out or replaced. */
function distanceOf(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
