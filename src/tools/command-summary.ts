import { isReader } from './command-risk.ts';
import { type SimpleCommand, splitCommand } from './command-words.ts';
import {
  ALL_EFFECTS,
  effectsOf,
  isReserved,
  nameOf,
  type Program,
  programsInCommand,
  programsInScript,
  runsInput,
  runsOthers,
  takesSubcommands,
} from './program-effects.ts';

/**
 * What a shell command does, in a sentence: derived from its words by rule, never from what anybody says of it. Where it is
 * understood (command-words.ts) all of its programs are named, with what the known ones do; where it is not, the known ones
 * that stand in it, and that there may be more. It promises nothing: the command itself is what people approve.
 */
export function commandSummary(command: string): string {
  const commands = command.length > MAX_LENGTH ? null : splitCommand(command);
  const sentence = commands?.every(isNamed) === true ? plainSummary(commands) : scriptSummary(command);
  // Rather fewer names than an effect that is cut off.
  return [MOST, 2, 1].map(sentence).find((text) => text.length <= LONGEST) ?? sentence(0);
}

/** Longer ones are programs rather than commands. */
const MAX_LENGTH = 4_000;
/** Names in one list. */
const MOST = 4;
/** With room for what a tool says before it; all effects that there are fit without names. */
const LONGEST = 280;

/** The sentence, with at most so many names in a list. */
type Sentence = (most: number) => string;

/** Not where it is only known when it runs which program that is, or where its name could be read as words of ours. */
function isNamed([word]: SimpleCommand): boolean {
  return word !== undefined && !word.glob && /^[\w./][\w./+-]{0,39}$/.test(word.text) && !isReserved(word.text);
}

/** `Run a command that deletes files (rm), with df and “./build”`. */
function plainSummary(commands: readonly SimpleCommand[]): Sentence {
  const all = commands.map((command) => command.map(({ text }) => text));
  const own = all.map(([name = '', ...args]) => effectsOf(nameOf(name), args));
  // What is written may be what is run: `echo rm -rf / | sh`.
  const is_input = own.some(runsInput);
  const programs = all.flatMap((words, index) => {
    const [name = ''] = words;
    const does = own[index] ?? [];
    const is_understood = !runsOthers(does) && (does.length > 0 || isReader(name) || takesSubcommands(name));
    return is_understood && !is_input ? does : [...does, ...programsInCommand(words, is_input)];
  });
  const others = all
    .map(([name = '']) => name)
    .filter((name, index) => own[index]?.length === 0 || /\//.test(name.replace(USUAL, '')))
    .map((name) => (isReader(name) || takesSubcommands(name) ? name : `“${name}”`));
  const effects = effectsIn(programs);
  return (most) => {
    const rest = listed([...new Set(others)], most);
    if (programs.length === 0) return `Run ${rest}`;
    return `Run a command that ${effects(most)}${rest === '' ? '' : `, with ${rest}`}`;
  };
}

const USUAL = /^\/(usr\/)?(local\/)?s?bin\//;

/** `Run a shell script of 3 lines; in it is what deletes files (rm), and maybe more`. */
function scriptSummary(script: string): Sentence {
  const programs = programsInScript(script);
  const effects = effectsIn(programs);
  const lines = script.trim().split('\n').length;
  return (most) => {
    const what = `Run a shell script${lines > 1 && most > 0 ? ` of ${lines.toLocaleString('en')} lines` : ''}`;
    if (programs.length === 0) return `${what}; what it does is not known`;
    return `${what}; in it is what ${effects(most)}, and maybe more`;
  };
}

/** The gravest first: `deletes files (rm and rmdir)`. */
function effectsIn(programs: readonly Program[]): Sentence {
  const names = new Map([...ALL_EFFECTS].map((effect) => [effect, new Set<string>()]));
  for (const { name, effect } of programs) names.get(effect)?.add(name);
  const known = [...names].filter(([, of]) => of.size > 0);
  return (most) => listed(known.map(([effect, of]) => (most === 0 ? effect : `${effect} (${listed([...of], most)})`)));
}

function listed(names: readonly string[], most = names.length): string {
  const some = names.slice(0, most);
  if (some.length === 0) return names.length === 0 ? '' : `${names.length} more`;
  if (some.length < names.length) return `${some.join(', ')} and ${names.length - some.length} more`;
  return some.length < 2 ? some.join('') : `${some.slice(0, -1).join(', ')} and ${some.at(-1)}`;
}
