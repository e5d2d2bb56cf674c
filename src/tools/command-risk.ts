import { type CommandWord, type SimpleCommand, splitCommand } from './command-words.ts';

/**
 * Judges shell commands under the `auto` policy, by rule and without a model: the same command always gets the same
 * verdict. A command is harmless when every part of it is a program of the lists below, used in a way that only reads
 * or computes; the sandbox bounds what reading can reach. Everything else is not called dangerous: nobody judged it, so
 * a person does. When in doubt leave a program out: being asked once too often costs a click.
 */
export function isHarmlessCommand(command: string): boolean {
  if (command.length > MAX_LENGTH) return false;
  const commands = splitCommand(command);
  return commands?.every(isHarmless) ?? false;
}

/** Longer ones are programs rather than commands. */
const MAX_LENGTH = 4_000;

/** No option of these (GNU and POSIX) writes a file, changes anything or starts a program that it is given. */
const READERS: ReadonlySet<string> = new Set(
  (
    'arch base64 basename cat cd cksum cmp column comm cut df diff dirname du echo egrep expand expr factor false ' +
    'fgrep fold free grep groups head id jq join ls md5sum nl nproc od paste printenv ps pwd readlink realpath rev ' +
    'seq sha1sum sha256sum sha512sum sleep stat tac tail tr true type uname uptime wc which whoami'
  ).split(' '),
);

/** These can also write or run something, so their arguments are looked at. */
const CHECKED: ReadonlyMap<string, (args: CommandWord[]) => boolean> = new Map([
  ['date', isDateQuery],
  ['find', (args) => args.every(isFindArgument)],
  // With a name, it sets the host's.
  ['hostname', (args) => args.length === 0],
  // `printf -v 'a[$(…)]'` runs what is in the brackets.
  ['printf', ([format]) => format !== undefined && !format.text.startsWith('-')],
  ['sed', isLinePrint],
  // Not -o and not --compress-program.
  ['sort', (args) => args.every(({ text }) => !text.startsWith('-') || /^-[bcdfghimnMrRsuVz]*([kt]\S*)?$/.test(text))],
  // A second file is where it writes.
  ['uniq', (args) => args.every(({ glob }) => !glob) && args.filter(({ text }) => !/^-./.test(text)).length <= 1],
]);

/** Whether it is one of the programs that are known to read: what they are given is no command. */
export function isReader(name: string): boolean {
  return READERS.has(name) || CHECKED.has(name);
}

function isHarmless([program, ...args]: SimpleCommand): boolean {
  if (program === undefined || program.glob) return false;
  if (READERS.has(program.text)) return true;
  const check = CHECKED.get(program.text);
  // A file may be called `-delete`: a pattern that can begin with any character may become an option.
  return check !== undefined && !args.some((arg) => arg.glob_first) && check(args);
}

const FIND_TESTS: ReadonlySet<string> = new Set(
  (
    '-H -L -P -a -and -amin -atime -cmin -ctime -daystart -depth -empty -executable -follow -group -iname -inum ' +
    '-ipath -iregex -links -ls -maxdepth -mindepth -mmin -mount -mtime -name -newer -not -o -or -path -perm -print ' +
    '-print0 -printf -prune -quit -readable -regex -regextype -samefile -size -type -user -wholename -writable -xdev -xtype'
  ).split(' '),
);

/** -delete, -exec and -fprint are among the many that are left out; a number may be negative (`-mtime -7`). */
function isFindArgument({ text }: CommandWord): boolean {
  return !text.startsWith('-') || FIND_TESTS.has(text) || /^-\d+[a-zA-Z]?$/.test(text);
}

/** Without `-d` or `+format`, an argument sets the clock. */
function isDateQuery(args: CommandWord[]): boolean {
  return args.every(
    ({ text }, index) =>
      /^(\+.*|-u|-R|-d|-I[a-z]*|--utc|--date=.*|--iso-8601(=[a-z]+)?|--rfc-3339=[a-z]+)$/s.test(text) ||
      (args[index - 1]?.text === '-d' && !text.startsWith('-')),
  );
}

/** `sed -n '10,20p' file…`: the one use of sed that is sure to be reading. */
function isLinePrint([silent, script, ...files]: CommandWord[]): boolean {
  return (
    silent?.text === '-n' &&
    /^(\d+|\$)(,(\d+|\$))?p$/.test(script?.text ?? '') &&
    files.every(({ text }) => !text.startsWith('-'))
  );
}
