/** A doublestar pattern: `**` any folders, `*` and `?` within a name, `[a-z]`, `{a,b}`. Names that begin with a dot match too. */
export interface Glob {
  /** Where an absolute pattern starts; empty for a relative one. */
  base: string;
  /** `path` is relative to the base. Takes time in proportion to pattern times path, whatever either holds. */
  matches(path: string): boolean;
}

const MOST_ALTERNATIVES = 256;
const LONGEST_PATTERN = 2000;

/** Null when it is empty, too long, has too many alternatives, or climbs out with `..`. */
export function parseGlob(pattern: string): Glob | null {
  if (pattern === '' || pattern.length > LONGEST_PATTERN || pattern.includes('\0')) return null;
  const [base, relative] = splitBase(pattern);
  const alternatives = expandBraces(relative);
  if (alternatives === null) return null;
  const lists = alternatives.map((text) => text.split('/').filter((part) => part !== '' && part !== '.'));
  if (lists.some((parts) => parts.length === 0 || parts.includes('..'))) return null;
  return { base, matches: (path) => lists.some((parts) => matchParts(parts, path.split('/'))) };
}

/** Newest first; equals by path, so that an answer is the same twice. */
export function byNewest(a: { path: string; modified: number }, b: { path: string; modified: number }): number {
  return b.modified - a.modified || (a.path < b.path ? -1 : 1);
}

/** An absolute pattern starts searching at its longest part without magic. */
function splitBase(pattern: string): [base: string, relative: string] {
  if (!pattern.startsWith('/')) return ['', pattern];
  const parts = pattern.slice(1).split('/');
  const magic = parts.findIndex((part) => /[*?[{]/.test(part));
  const at = magic < 0 ? parts.length - 1 : magic;
  return [`/${parts.slice(0, at).join('/')}`, parts.slice(at).join('/')];
}

function expandBraces(pattern: string): string[] | null {
  let done: string[] = [];
  let open = [pattern];
  while (open.length > 0) {
    const next: string[] = [];
    for (const text of open) {
      const group = firstGroup(text);
      if (group === null) done = [...done, text];
      else next.push(...group.options.map((option) => text.slice(0, group.start) + option + text.slice(group.end)));
    }
    if (done.length + next.length > MOST_ALTERNATIVES) return null;
    open = next;
  }
  return done;
}

/** The first balanced `{…}`, with its options split at the commas of its own level. */
function firstGroup(text: string): { start: number; end: number; options: string[] } | null {
  const start = text.indexOf('{');
  if (start < 0) return null;
  const options: string[] = [];
  let depth = 0;
  let from = start + 1;
  for (let index = start; index < text.length; index++) {
    const char = text[index];
    if (char === '{') depth++;
    else if (char === ',' && depth === 1) {
      options.push(text.slice(from, index));
      from = index + 1;
    } else if (char === '}' && --depth === 0) {
      return { start, end: index + 1, options: [...options, text.slice(from, index)] };
    }
  }
  return null;
}

function matchParts(parts: string[], names: string[]): boolean {
  return matchSequence(
    parts.length,
    names.length,
    (p) => parts[p] === '**',
    (p, n) => matchName(parts[p] ?? '', names[n] ?? ''),
  );
}

function matchName(pattern: string, name: string): boolean {
  const tokens = pattern.match(/\[[!^]?\]?[^\]]*\]|[^]/gu) ?? [];
  const chars = Array.from(name);
  return matchSequence(
    tokens.length,
    chars.length,
    (t) => tokens[t] === '*' || tokens[t] === '**',
    (t, c) => matchChar(tokens[t] ?? '', chars[c] ?? ''),
  );
}

function matchChar(token: string, char: string): boolean {
  if (token === '?') return true;
  if (token.length < 3 || !token.startsWith('[')) return token === char;
  const negated = token[1] === '!' || token[1] === '^';
  const set = Array.from(token.slice(negated ? 2 : 1, -1));
  let found = false;
  for (let index = 0; index < set.length; index++) {
    const low = set[index] ?? '';
    const high = set[index + 1] === '-' && index + 2 < set.length ? (set[index + 2] ?? low) : low;
    if (high !== low) index += 2;
    if (char >= low && char <= high) found = true;
  }
  return found !== negated;
}

/**
 * Items against units, where some items are stars that take any number of units. Only the latest star is ever tried again,
 * which is enough: an earlier one that took less could not match more.
 */
function matchSequence(
  items: number,
  units: number,
  isStar: (item: number) => boolean,
  fits: (item: number, unit: number) => boolean,
): boolean {
  let item = 0;
  let unit = 0;
  let star = -1;
  let resume = 0;
  while (unit < units) {
    if (item < items && isStar(item)) {
      star = item++;
      resume = unit;
    } else if (item < items && fits(item, unit)) {
      item++;
      unit++;
    } else if (star >= 0) {
      item = star + 1;
      unit = ++resume;
    } else {
      return false;
    }
  }
  while (item < items && isStar(item)) item++;
  return item === items;
}
