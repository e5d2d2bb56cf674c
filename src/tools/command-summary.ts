import { type SimpleCommand, splitCommand } from './command-words.ts';

/**
 * What a shell command does, in a sentence: derived from its words by rule, never from what anybody says of it. Where it is
 * understood (command-words.ts) all of its programs are named, with what the known ones do; where it is not, the known ones
 * that stand in it. It promises nothing: the command itself is what people approve.
 */
export function commandSummary(command: string): string {
  const commands = command.length > MAX_LENGTH ? null : splitCommand(command);
  const programs = commands?.map(programOf) ?? [];
  const named = programs.filter((program) => program !== null);
  return named.length > 0 && named.length === programs.length ? plainSummary(named) : scriptSummary(command);
}

/** Longer ones are programs rather than commands. */
const MAX_LENGTH = 4_000;
/** What is looked at of one of those. */
const SCRIPT = 20_000;
/** Names in one list. */
const MOST = 4;

/** What programs do, whatever they are given. Nothing is said of one that only reads: that would be a promise. */
const EFFECTS = byProgram({
  'deletes files': 'rm rmdir shred unlink',
  'moves files': 'mv',
  'writes files': 'cp dd install ln mkdir mkfifo tee touch truncate',
  'changes who may use files': 'chgrp chmod chown setfacl',
  'uses the network': 'curl ftp nc ncat ping scp sftp ssh telnet wget',
  'ends processes': 'kill killall pkill',
  'runs other commands': '. bash command dash env eval exec make nohup sh source sudo su timeout xargs zsh',
  'runs a program of its own': 'awk deno node perl php python python3 ruby',
});

/** What others do when this stands first behind their name. */
const SUBCOMMANDS: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  [
    'git',
    byProgram({
      'deletes files': 'clean rm',
      'uses the network': 'clone fetch pull push',
      'changes a repository': 'am checkout cherry-pick commit merge rebase reset restore revert switch',
    }),
  ],
  ...'apt apt-get bundle cargo composer gem npm pip pip3 pnpm poetry uv yarn'.split(' ').map((manager) => {
    const changes = { 'installs or removes packages': 'add ci i install remove uninstall update upgrade' };
    return [manager, byProgram({ ...changes, 'runs other commands': 'exec run test' })] as const;
  }),
]);

function byProgram(effects: Record<string, string>): ReadonlyMap<string, string> {
  const known = Object.entries(effects).flatMap(([effect, names]) =>
    names.split(' ').map((name) => ({ name, effect })),
  );
  return new Map(known.map(({ name, effect }) => [name, effect]));
}

interface Program {
  name: string;
  /** Null: nothing is said of it. */
  effect: string | null;
}

/** Null where it is only known when it runs which program that is, or where its name could be read as words of ours. */
function programOf([word, ...args]: SimpleCommand): Program | null {
  if (word === undefined || word.glob || !/^[\w./][\w./+-]{0,39}$/.test(word.text)) return null;
  const name = word.text;
  const has = (option: RegExp) => args.some(({ text }) => option.test(text));
  if (name === 'find' && has(/^-delete$/)) return { name, effect: 'deletes files' };
  if (name === 'find' && has(/^-(exec|ok)(dir)?$/)) return { name, effect: 'runs other commands' };
  if (name === 'sed' && has(/^(-[a-zA-Z]*i|--in-place)/)) return { name, effect: 'writes files' };
  return { name, effect: effectOf(name) ?? SUBCOMMANDS.get(name)?.get(args[0]?.text ?? '') ?? null };
}

function effectOf(name: string): string | null {
  return EFFECTS.get(name.replace(/^\/(usr\/)?(local\/)?s?bin\//, '')) ?? null;
}

/** `Run a command that deletes files (rm), with df and make`. */
function plainSummary(programs: readonly Program[]): string {
  const others = new Set(programs.filter(({ effect }) => effect === null).map(({ name }) => name));
  const effects = effectsOf(programs);
  if (effects.length === 0) return `Run ${listed([...others])}`;
  return `Run a command that ${effects.join(' and ')}${others.size === 0 ? '' : `, with ${listed([...others])}`}`;
}

/** Where a program may stand in what is not understood: at the beginning of a command, behind what may come before it. */
const PLACES =
  /(?<=(?:^|[\n;&|(){`!]|\b(?:command|do|else|env|exec|if|nohup|sudo|then|until|while|xargs)\s)[ \t]{0,40})[\w./+-]{1,40}(?![^\s;&|()}`])/g;

/** `Run a shell script of 3 lines: in it is what deletes files (rm)`. */
function scriptSummary(script: string): string {
  const names = script.slice(0, SCRIPT).match(PLACES) ?? [];
  const effects = effectsOf(names.map((name) => ({ name, effect: effectOf(name) })));
  const lines = script.trim().split('\n').length;
  const what = `Run a shell script${lines > 1 ? ` of ${lines.toLocaleString('en')} lines` : ''}`;
  return effects.length === 0 ? what : `${what}; something in it ${effects.join(' and ')}`;
}

/** The gravest first: `deletes files (rm, rmdir)`. */
function effectsOf(programs: readonly Program[]): string[] {
  const order = new Set([...EFFECTS.values(), ...programs.flatMap(({ effect }) => effect ?? [])]);
  return [...order].flatMap((effect) => {
    const names = new Set(programs.filter((program) => program.effect === effect).map(({ name }) => name));
    return names.size === 0 ? [] : [`${effect} (${listed([...names])})`];
  });
}

function listed(names: readonly string[]): string {
  const some = names.slice(0, MOST);
  if (some.length < names.length) return `${some.join(', ')} and ${names.length - some.length} more`;
  return some.length < 2 ? some.join('') : `${some.slice(0, -1).join(', ')} and ${some.at(-1)}`;
}
