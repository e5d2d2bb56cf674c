/** One word of a command, with its quotes taken off as bash would. */
export interface CommandWord {
  text: string;
  /** Has an unquoted `*`, `?` or `[`: bash may replace it by names of files. */
  glob: boolean;
  /** `glob`, and its very first character: the names may then begin with `-` and be taken for options. */
  glob_first: boolean;
}

export type SimpleCommand = CommandWord[];

/** A sentence or a name of a network device is no path that bash opens as a file. */
const HARMLESS_TARGET = /^(?!\/dev\/)[^-]/;

/**
 * The simple commands of a shell command, when it is made of nothing but words, quotes, pipes, `&&`, `||`, `;`, line
 * ends, input from a file, and output to /dev/null. Null for anything else: variables, substitutions, assignments'
 * effects, subshells, here documents, braces, background jobs, comments and redirections into files are not understood,
 * on purpose: what is not understood is not judged.
 */
export function splitCommand(source: string): SimpleCommand[] | null {
  // Control characters never belong in a command; a carriage return or an escape can hide what is shown to a person.
  if (/[^\P{Cc}\t\n]/u.test(source)) return null;
  const commands: SimpleCommand[] = [];
  let words: CommandWord[] = [];
  let pending: CommandWord[] = [];
  let quoted = false;
  let at = 0;

  // The word being read is the one element of `pending`; an empty pair of quotes is a word too.
  const add = (text: string, glob = false): void => {
    const word = pending[0] ?? { text: '', glob: false, glob_first: false };
    if (glob) {
      word.glob_first ||= word.text === '';
      word.glob = true;
    }
    word.text += text;
    pending = [word];
  };
  const endWord = (): void => {
    words.push(...pending);
    pending = [];
    quoted = false;
  };
  const endCommand = (): boolean => {
    endWord();
    if (words.length === 0) return false;
    commands.push(words);
    words = [];
    return true;
  };

  while (at < source.length) {
    const rest = source.slice(at);
    const char = source.charAt(at);
    if (char === "'") {
      const end = source.indexOf("'", at + 1);
      if (end < 0) return null;
      add(source.slice(at + 1, end));
      quoted = true;
      at = end + 1;
    } else if (char === '"') {
      const [whole, inner] = /^"((?:[^"\\$`!]|\\[^\n]|!(?=[\s"]))*)"/.exec(rest) ?? [];
      if (whole === undefined || inner === undefined) return null;
      add(inner.replace(/\\(["\\$`])/g, '$1'));
      quoted = true;
      at += whole.length;
    } else if (char === '\\') {
      const next = source.charAt(at + 1);
      if (next === '' || next === '\n') return null;
      add(next);
      quoted = true;
      at += 2;
    } else if (char === ' ' || char === '\t') {
      endWord();
      at += 1;
    } else if (rest.startsWith('&&') || rest.startsWith('||')) {
      if (!endCommand()) return null;
      at += 2;
    } else if (char === '|') {
      if (!endCommand() || source.charAt(at + 1) === '&') return null;
      at += 1;
    } else if (char === ';' || char === '\n') {
      // An empty line is nothing; `;;` and a leading `;` are no commands that bash would take.
      if (!endCommand() && char === ';') return null;
      at += 1;
    } else if (char === '>' || char === '<' || char === '&') {
      // A digit right before it is the file that it redirects; any other word would be one more argument.
      const [word] = pending;
      if (word !== undefined && (char === '&' || quoted || !/^\d$/.test(word.text))) return null;
      const length = redirection(rest);
      if (length === 0) return null;
      pending = [];
      at += length;
    } else if (char === '*' || char === '?' || char === '[') {
      add(char, true);
      at += 1;
    } else if (/[$`!(){}#]/.test(char)) {
      return null;
    } else {
      add(char);
      at += 1;
    }
  }
  // `a |` and `a &&` go on in a line that is not there.
  if (!endCommand() && /[|&]\s*$/.test(source)) return null;
  return commands.length === 0 ? null : commands;
}

/** Length of a harmless redirection at the start of `rest`; 0 for any other. */
function redirection(rest: string): number {
  const [silent] = /^(&>|>>?)[ \t]*\/dev\/null(?=[\s;|&]|$)/.exec(rest) ?? /^>&[12](?=[\s;|&]|$)/.exec(rest) ?? [];
  if (silent !== undefined) return silent.length;
  const [whole, target] = /^<[ \t]*([\w./][\w./-]*)(?=[\s;|&]|$)/.exec(rest) ?? [];
  return whole !== undefined && target !== undefined && HARMLESS_TARGET.test(target) ? whole.length : 0;
}
