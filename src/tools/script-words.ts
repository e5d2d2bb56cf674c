/**
 * What may be the words of commands anywhere in a shell script: one list for each command that may be in it, quotes taken
 * off. The reverse of splitCommand (command-words.ts): it takes everything, never judges, and finds too much rather than too
 * little, so what it finds may be said to be there, and what it does not find may be there all the same. Linear in the
 * script's length.
 */
export function scriptWords(script: string): string[][] {
  const texts = [script];
  const found = loosely(script);
  // What is quoted may be a script that something runs (`bash -c '…'`). Each is shorter than what it stood in.
  for (let text = texts.pop(); text !== undefined; text = texts.pop()) {
    for (const words of commandsOf(text, texts)) found.push(words);
  }
  return found.filter((words) => words.length > 0);
}

/** A word that may be a script of its own. */
export const IS_SCRIPT = /[\s;&|()<>`$'"]/;

/** In the order in which they are tried; every character is of one of them, and none is looked at again. */
const TOKEN = new RegExp(
  [
    '(?<nothing>\\\\\\n)',
    '\\\\(?<escaped>[^])',
    "\\$?'(?<quoted>[^']*)'?",
    '\\$?"(?<double>(?:[^"\\\\]+|\\\\[^])*)"?',
    '(?<space>[^\\S\\n]+|\\$\\{IFS[^}\\s]*\\}?|\\$IFS\\b)',
    '(?<unknown>\\$\\{[^{}\\s\'"`$()]*\\}?|\\$[\\w@*#?!-]\\w*)',
    '(?<open>[$<>]?\\()',
    '(?<close>\\))',
    '(?<redirection>&>>?|<<-|[<>]+[&|]?)',
    '(?<end>[\\n;&|])',
    '(?<tick>`)',
    '(?<plain>[^\\s\\\\\'"$`;&|()<>]+|[^])',
  ].join('|'),
  'gu',
);

/** The commands of a script, as bash would read them as far as can be told. Scripts in quotes are added to `texts`. */
function commandsOf(script: string, texts: string[]): string[][] {
  const found: string[][] = [];
  const outer: string[][] = [];
  let words: string[] = [];
  let word: string | null = null;
  let is_target = false;
  const add = (text: string): void => {
    word = (word ?? '') + text;
  };
  const endWord = (): void => {
    if (word !== null && !is_target) words.push(word);
    if (word !== null) is_target = false;
    word = null;
  };
  const next = (following: string[]): void => {
    endWord();
    found.push(words);
    words = following;
    is_target = false;
  };
  // A command goes on behind what is in parentheses: `git -C $(pwd) push`.
  const enter = (): void => {
    add('');
    endWord();
    outer.push(words);
    words = [];
  };

  let ticks = 0;
  for (const { groups = {} } of script.matchAll(TOKEN)) {
    const { escaped, quoted, double, space, unknown, open, close, redirection, end, tick, plain } = groups;
    const text = quoted ?? double?.replace(/\\(["\\$`])/g, '$1');
    if (text !== undefined) {
      if (IS_SCRIPT.test(text) && /\w/.test(text)) texts.push(text);
      add(text);
    } else if (escaped !== undefined || plain !== undefined) add(escaped ?? plain ?? '');
    else if (unknown !== undefined) add('');
    else if (space !== undefined) endWord();
    else if (end !== undefined) next([]);
    else if (redirection !== undefined) {
      // A number right before it, or `{name}`, is the file that it redirects.
      if (/^(\d+|\{\w+\})$/.test(word ?? '')) word = null;
      endWord();
      is_target = true;
    } else if (open !== undefined || (tick !== undefined && ticks++ % 2 === 0)) enter();
    else if (close !== undefined || tick !== undefined) next(outer.pop() ?? []);
  }
  next([]);
  return [...found, ...outer];
}

/**
 * Cut at everything that could begin a command, whatever is quoted: for scripts where what looks like a quote is none (an
 * apostrophe in a here document), and for what is only put together when it runs (`{rm,-rf,/}`, `${X:-rm}`, `rm${IFS}x`).
 */
function loosely(script: string): string[][] {
  return script
    .replace(/\\\n/g, '')
    .split(/[\n;&|(){}<>`!"'=]|:[-=+?]|\$\w*/)
    .map((piece) => piece.split(/[\s,]+/).filter((word) => word !== ''));
}
