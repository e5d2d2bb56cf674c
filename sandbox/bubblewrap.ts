import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, existsSync, lstatSync, openSync, readlinkSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { OUTPUTS, UPLOADS } from '../src/tools/workspace.ts';
import type { Cgroup } from './cgroup.ts';
import { childrenOf, killProcess, LISTS_CHILDREN } from './process-table.ts';

/** How this host runs bubblewrap; found once, at start. */
export interface Host {
  bwrap: string;
  /**
   * As root, bwrap builds the sandbox with root's rights and the program then drops to the session's own user id for
   * good. Otherwise a user namespace maps the worker's user to an unprivileged one.
   */
  asRoot: boolean;
  /** A file with the seccomp program, or null where there is none for this architecture. */
  seccompFile: string | null;
}

/** What belongs to one session on the host. */
export interface SessionPaths {
  files: string;
  tmp: string;
  /** What people attached: the host writes it, the sandbox reads it. */
  uploads: string;
  outputs: string;
  /** passwd, group, hosts and the like: all that the sandbox sees of /etc, apart from the linker's and alternatives' links. */
  etc: string;
  uid: number;
}

export interface LaunchSpec {
  paths: SessionPaths;
  /** The program inside, with an absolute path. */
  command: string[];
  /** Working directory inside. */
  cwd: string;
}

/** Descriptors 0 to 4 of the program. */
export type ProgramStdio = [StdioEntry, StdioEntry, StdioEntry, StdioEntry, StdioEntry];

type StdioEntry = 'ignore' | 'pipe' | number;

/** The same in every sandbox; nothing of the worker's environment gets in. */
const ENVIRONMENT: Record<string, string> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/workspace',
  USER: 'agent',
  LOGNAME: 'agent',
  SHELL: '/bin/bash',
  LANG: 'C.UTF-8',
  TERM: 'dumb',
};

export const HOST_NAME = 'sandbox';
/** The unprivileged user inside a user namespace; as root the session's own id is used inside and outside alike. */
export const NAMESPACE_UID = 1000;
const SHARED_MEMORY_BYTES = 64 * 1024 * 1024;
/** Files of /etc that we write; see `writeEtc`. */
export const ETC_FILES = ['passwd', 'group', 'hosts', 'hostname', 'nsswitch.conf'] as const;
const ARGS_FD = 5;
const SECCOMP_FD = 6;
const WORDS_FD = 7;

/** The longest word that the kernel gives to a program, in bytes (MAX_ARG_STRLEN with its NUL). */
const LONGEST_WORD_BYTES = 131_071;

/**
 * Enters the control groups, then becomes the program of the words that it is told: nothing runs outside its limits even
 * for a moment, and with no descriptor that the worker itself was started with. Told nothing, because whoever started it
 * is gone, it ends.
 */
function waiter(seccomp: boolean): string {
  return [
    'for group; do echo $$ >"$group" || exit 98; done',
    `for fd in /proc/self/fd/*; do fd=\${fd##*/}; [ "$fd" -le ${WORDS_FD} ] || eval "exec $fd<&-"; done`,
    `mapfile -t -d "" words <&${WORDS_FD}`,
    '[ "${#words[@]}" -gt 0 ] || exit 0',
    `exec "\${words[@]}" ${WORDS_FD}<&- ${seccomp ? '' : `${SECCOMP_FD}<&-`}`,
  ].join('; ');
}

/**
 * Start a process that waits in its control group to be told which sandbox it is: see `launch`. Nothing of a session is in
 * it before, so it can be made ahead of need.
 * @param stdio the first five descriptors of the program to come
 */
export function startWaiting(host: Host, cgroup: Cgroup | null, stdio: ProgramStdio): ChildProcess {
  const seccomp = host.seccompFile === null ? null : openSync(host.seccompFile, 'r');
  try {
    // Without --norc bash runs the start files of a user whose input is a socket.
    return spawn(
      '/bin/bash',
      ['--norc', '--noprofile', '-c', waiter(seccomp !== null), 'bash', ...(cgroup?.procs ?? [])],
      {
        stdio: [...stdio, 'pipe', seccomp ?? 'ignore', 'pipe'],
        env: {},
        cwd: '/',
        // Ctrl-C at the worker's terminal is the worker's to answer: it stops the commands that run, and tells Claude.
        detached: true,
      },
    );
  } finally {
    if (seccomp !== null) closeSync(seccomp);
  }
}

/**
 * Make a sandbox of a process that waits, and start the program in it.
 * @throws TypeError when a word of the command has a NUL character, which would make two of it, or is too long for the
 *   kernel; the process is ended then
 */
export function launch(host: Host, waiting: ChildProcess, spec: LaunchSpec): void {
  const program = host.asRoot ? [...dropTo(spec.paths.uid), ...spec.command] : spec.command;
  const wrong = program.map(wordTrouble).find((trouble) => trouble !== null);
  if (wrong !== undefined) {
    waiting.kill('SIGKILL');
    throw new TypeError(wrong);
  }
  // Over pipes, because a command line can be read inside (/proc/1/cmdline) and bwrap's options hold the host's paths.
  tell(waiting, ARGS_FD, sandboxArgs(host, spec, host.seccompFile !== null));
  tell(waiting, WORDS_FD, [host.bwrap, '--args', String(ARGS_FD), '--', ...program]);
}

function wordTrouble(word: string): string | null {
  if (word.includes('\0')) return 'A program cannot be given a NUL character.';
  const long = word.length * 3 > LONGEST_WORD_BYTES && Buffer.byteLength(word) > LONGEST_WORD_BYTES;
  return long ? `A program cannot be given a word of more than ${LONGEST_WORD_BYTES} bytes.` : null;
}

function tell(child: ChildProcess, fd: number, words: string[]): void {
  const pipe = (child.stdio as ReadonlyArray<unknown>)[fd] as Writable;
  pipe.on('error', () => {});
  pipe.end(words.map((word) => `${word}\0`).join(''));
}

/** A sandbox that is to end is looked at until it has, first after so many ms and then ever more rarely, up to the other. */
const LOOK_AGAIN_MS = 2;
const LOOK_AT_LEAST_EVERY_MS = 100;
/** From then on bwrap itself is killed where it has no child. */
const WAIT_FOR_CHILD_MS = 10_000;

/**
 * End a sandbox and everything in it. Killing the first process of its process namespace makes the kernel end all others
 * before that process is gone, and only then does bwrap itself exit: its `exit` event means that nothing is left.
 *
 * bwrap is not killed itself while that process may be on its way: between making it and letting it run, bwrap's death
 * would leave it waiting for good, with the ends of its pipes that tell us that nothing is left.
 */
export function killSandbox(child: ChildProcess): void {
  const { pid } = child;
  if (pid === undefined) return;
  const patientUntil = performance.now() + WAIT_FOR_CHILD_MS;
  const look = (wait: number): void => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const [init] = childrenOf(pid);
    if (init !== undefined) killProcess(init);
    else if (!LISTS_CHILDREN || performance.now() > patientUntil) killProcess(pid);
    setTimeout(look, wait, Math.min(wait * 2, LOOK_AT_LEAST_EVERY_MS));
  };
  look(LOOK_AGAIN_MS);
}

function dropTo(uid: number): string[] {
  const id = String(uid);
  const capabilities = ['--bounding-set=-all', '--inh-caps=-all', '--ambient-caps=-all', '--no-new-privs'];
  return ['/usr/bin/setpriv', '--reuid', id, '--regid', id, '--clear-groups', ...capabilities, '--'];
}

function sandboxArgs(host: Host, spec: LaunchSpec, seccomp: boolean): string[] {
  const { paths } = spec;
  return [
    ...(host.asRoot ? rootIsolation() : userIsolation()),
    '--die-with-parent',
    '--new-session',
    '--hostname',
    HOST_NAME,
    '--clearenv',
    ...Object.entries(ENVIRONMENT).flatMap(([name, value]) => ['--setenv', name, value]),
    ...systemArgs(),
    // bwrap makes missing parents for their owner only, which is root.
    ...['/etc', '/var', '/run', '/run/shell', '/mnt', '/mnt/session'].flatMap((path) => [
      '--perms',
      '0755',
      '--dir',
      path,
    ]),
    ...ETC_FILES.flatMap((name) => ['--ro-bind', `${paths.etc}/${name}`, `/etc/${name}`]),
    '--ro-bind-try',
    '/etc/ld.so.cache',
    '/etc/ld.so.cache',
    '--ro-bind-try',
    '/etc/alternatives',
    '/etc/alternatives',
    '--proc',
    '/proc',
    '--dev',
    '/dev',
    '--perms',
    '1777',
    '--size',
    String(SHARED_MEMORY_BYTES),
    '--tmpfs',
    '/dev/shm',
    '--remount-ro',
    '/dev',
    '--bind',
    paths.tmp,
    '/tmp',
    '--symlink',
    '/tmp',
    '/var/tmp',
    '--bind',
    paths.files,
    '/workspace',
    '--ro-bind',
    paths.uploads,
    UPLOADS,
    '--bind',
    paths.outputs,
    OUTPUTS,
    // bash names itself in its messages by the script it was given: its third descriptor, see shell.ts.
    '--symlink',
    '/proc/self/fd/3',
    '/run/shell/bash',
    '--remount-ro',
    '/',
    '--chdir',
    spec.cwd,
    ...(seccomp ? ['--seccomp', String(SECCOMP_FD)] : []),
  ];
}

/** As root without a user namespace; only what dropping to the session's user takes is kept until then. */
function rootIsolation(): string[] {
  const kept = ['CAP_SETUID', 'CAP_SETGID', 'CAP_SETPCAP'].flatMap((name) => ['--cap-add', name]);
  const namespaces = ['--unshare-ipc', '--unshare-pid', '--unshare-net', '--unshare-uts', '--unshare-cgroup-try'];
  return [...namespaces, '--cap-drop', 'ALL', ...kept];
}

function userIsolation(): string[] {
  const id = String(NAMESPACE_UID);
  return ['--unshare-all', '--unshare-user', '--disable-userns', '--cap-drop', 'ALL', '--uid', id, '--gid', id];
}

/** The host's programs and libraries, read-only. Where /bin and its kin are links into /usr, they stay links. */
function systemArgs(): string[] {
  const args = ['--ro-bind', '/usr', '/usr'];
  for (const path of ['/bin', '/sbin', '/lib', '/lib32', '/lib64', '/libx32']) {
    if (!existsSync(path)) continue;
    if (lstatSync(path).isSymbolicLink()) args.push('--symlink', readlinkSync(path), path);
    else args.push('--ro-bind', path, path);
  }
  return args;
}
