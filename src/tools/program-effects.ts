import { IS_SCRIPT, scriptWords } from './script-words.ts';

/** A known program, and one of the things that it does. */
export interface Program {
  name: string;
  effect: string;
}

/**
 * What programs do, whatever they are given; the gravest first. Nothing is said of one that only reads: that would be a
 * promise.
 */
const EFFECTS = byProgram({
  'deletes files': 'rm rmdir shred unlink',
  'moves files': 'mv',
  'writes files': 'cp dd install ln mkdir mkfifo tee touch truncate',
  'changes who may use files': 'chgrp chmod chown setfacl',
  'uses the network': 'curl ftp nc ncat ping rsync scp sftp ssh telnet wget',
  'ends processes': 'kill killall pkill',
  'runs other commands':
    '. ash at bash batch builtin busybox chroot command csh dash doas env eval exec fakeroot fish flock ionice ksh make ' +
    'nice nohup npx nsenter parallel pkexec runuser script setpriv setsid sg sh source stdbuf strace su sudo systemd-run ' +
    'taskset tcsh time timeout toybox unshare watch xargs zsh',
  'runs a program of its own': 'awk deno gawk mawk node perl php python python3 ruby',
  'changes the shell': 'alias bind complete declare enable export hash local readonly set shopt trap typeset unset',
});

/** What others do when this stands among their words. */
const SUBCOMMANDS: ReadonlyMap<string, ReadonlyMap<string, string>> = new Map([
  [
    'git',
    byProgram({
      'deletes files': 'clean rm',
      'moves files': 'mv',
      'uses the network': 'clone fetch pull push',
      'changes a repository': 'am apply checkout cherry-pick commit merge rebase reset restore revert stash switch',
    }),
  ],
  ...'apt apt-get bundle cargo composer gem npm pip pip3 pnpm poetry uv yarn'.split(' ').map((manager) => {
    const changes = { 'installs or removes packages': 'add ci i install remove uninstall update upgrade' };
    return [manager, byProgram({ ...changes, 'runs other commands': 'exec run test' })] as const;
  }),
]);

/** All effects that there are, the gravest first. */
export const ALL_EFFECTS: ReadonlySet<string> = new Set([
  ...EFFECTS.values(),
  ...[...SUBCOMMANDS.values()].flatMap((effects) => [...effects.values()]),
]);

/** Words that a shell takes for its own where a command may begin; a command may begin behind them. */
const RESERVED: ReadonlySet<string> = new Set(
  '! [[ ]] { } case coproc do done elif else esac fi for function if in select then time until while'.split(' '),
);

export function isReserved(word: string): boolean {
  return RESERVED.has(word);
}

/** A program that does what the words behind its name say; what is not known of those is not known at all. */
export function takesSubcommands(name: string): boolean {
  return SUBCOMMANDS.has(name);
}

/** Also words that people write and files are called by: they count where a command may begin, and behind what runs others. */
const ORDINARY: ReadonlySet<string> = new Set(
  (
    '. alias at batch bind builtin command complete declare enable env eval exec export fish hash install kill local make ' +
    'nice node parallel ping script set source time timeout touch trap unset watch'
  ).split(' '),
);

function byProgram(effects: Record<string, string>): ReadonlyMap<string, string> {
  const known = Object.entries(effects).flatMap(([effect, names]) =>
    names.split(' ').map((name) => ({ name, effect })),
  );
  return new Map(known.map(({ name, effect }) => [name, effect]));
}

/** The program's own name: of `./rm` and `../bin/rm` as of `rm`, because it may well be what it is called. */
export function nameOf(word: string): string {
  return word.slice(word.lastIndexOf('/') + 1);
}

/** What a program does when it is given these words; nothing where that is not known. */
export function effectsOf(name: string, args: readonly string[]): Program[] {
  const has = (option: RegExp) => args.some((text) => option.test(text));
  const known = new Set<string>();
  const effect = EFFECTS.get(name);
  if (effect !== undefined) known.add(effect);
  if (name === 'find' && has(/^-delete$/)) known.add('deletes files');
  if (name === 'find' && has(/^-fprint/)) known.add('writes files');
  if (name === 'find' && has(/^-(exec|ok)(dir)?$/)) known.add('runs other commands');
  if (name === 'sed' && has(/^(-[a-zA-Z]*i|--in-place)/)) known.add('writes files');
  if (name === 'git' && has(/^(-[cx]|--exec(=.*)?|--config-env=.*|--[a-z]+-filter|foreach|run)$/s))
    known.add('runs other commands');
  for (const subcommand of subcommandsOf(name, args)) known.add(subcommand);
  return [...known].map((of) => ({ name, effect: of }));
}

/** By the first known one; one right behind an option may be its value instead, and then the next may be it as well. */
function subcommandsOf(name: string, args: readonly string[]): string[] {
  const effects = SUBCOMMANDS.get(name);
  if (effects === undefined) return [];
  const found: string[] = [];
  for (const [index, arg] of args.entries()) {
    const effect = effects.get(arg);
    if (effect === undefined) continue;
    found.push(effect);
    if (args[index - 1]?.startsWith('-') !== true) break;
  }
  return found;
}

/** Whether what a program is given may be a command: then all of its words count. */
export function runsOthers(programs: readonly Program[]): boolean {
  return programs.some(({ name, effect }) => /^runs |^changes the shell$/.test(effect) || /^(ssh|nc|ncat)$/.test(name));
}

/** These run what they read: what another only writes may be a command. */
const RUN_INPUT: ReadonlySet<string> = new Set(
  '. ash at bash batch busybox csh dash eval fish ksh parallel sh source ssh su tcsh xargs zsh'.split(' '),
);

export function runsInput(programs: readonly Program[]): boolean {
  return programs.some(({ name }) => RUN_INPUT.has(name));
}

/** The known programs in a script, wherever they stand: rather too many. */
export function programsInScript(script: string): Program[] {
  // The same again and again is looked at once.
  const commands = [...new Map(scriptWords(script).map((words) => [JSON.stringify(words), words])).values()];
  const programs = commands.flatMap((words) => programsInWords(words, false));
  return runsInput(programs) ? commands.flatMap((words) => programsInWords(words, true)) : programs;
}

/** The known programs in the words of one command, and in words that may be scripts themselves. */
export function programsInCommand(words: readonly string[], is_input: boolean): Program[] {
  return [
    ...programsInWords(words, is_input),
    ...words.filter((word) => IS_SCRIPT.test(word)).flatMap(programsInScript),
  ];
}

/** Where it may be what another runs, every word counts. */
function programsInWords(words: readonly string[], is_input: boolean): Program[] {
  const found = new Map<string, Program[]>();
  let begins = true;
  let is_given = is_input;
  for (const [index, word] of words.entries()) {
    // What is assigned may be run, by this command or a later one.
    const name = nameOf(word.replace(/^[\w.-]*(\[[^\]]*\])?\+?=/, '').replace(/^[@!]+/, ''));
    const counts = begins || (is_given && name !== '.') || !ORDINARY.has(name);
    if (counts && !isReserved(word) && !found.has(name) && isKnown(name)) {
      // The words behind the first of a name are behind all others, too.
      const programs = effectsOf(name, words.slice(index + 1));
      found.set(name, programs);
      is_given ||= runsOthers(programs);
    }
    begins = isReserved(word) || (begins && /^$|^[-$\d]|^\w+(\[[^\]]*\])?\+?=/.test(word));
  }
  return [...found.values()].flat();
}

function isKnown(name: string): boolean {
  return EFFECTS.has(name) || SUBCOMMANDS.has(name) || name === 'find' || name === 'sed';
}
