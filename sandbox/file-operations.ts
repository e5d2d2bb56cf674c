import { posix } from 'node:path';
import { OUTPUTS, WorkspaceFileError, WorkspaceLostError } from '../src/tools/workspace.ts';
import { byNewest, parseGlob } from './glob-pattern.ts';
import type { HelperEnd, HelperRun } from './helper.ts';

/** Runs a helper over one session's files. */
export type RunHelper = (run: HelperRun) => Promise<HelperEnd>;

export const ROOT = '/workspace';
/** A helper that takes longer met a pipe, a loop or an endless tree. */
const FILE_TIMEOUT_MS = 30_000;
const LONGEST_ROW = 2000;
const MOST_MATCHES = 200_000;

/** How the scripts below end. Beyond bash's own codes (1, 2, 126 and up). */
const EXIT = { notFound: 11, directory: 12, notPermitted: 13, leaves: 15, diskFull: 16, noSearch: 17 } as const;

/** Sets $r to the real path of $1, and refuses a link that leads from the workspace to anywhere else. */
const RESOLVE = `
p=$1
r=$(realpath -m -- "$p") || exit ${EXIT.notFound}
case $p in /workspace|/workspace/*) case $r in /workspace|/workspace/*) ;; *) exit ${EXIT.leaves};; esac;; esac
`;

const READ = `${RESOLVE}
[ -e "$r" ] || exit ${EXIT.notFound}
[ -d "$r" ] && exit ${EXIT.directory}
[ -f "$r" ] && [ -r "$r" ] || exit ${EXIT.notPermitted}
exec head -c "$2" -- "$r"
`;

/** Into a new file that then takes the old one's place: a reader, or a crash, meets the old content or the new one. */
const WRITE = `${RESOLVE}
umask 022
case $r in /workspace/*|/tmp/*|${OUTPUTS}/*) ;; *) exit ${EXIT.notPermitted};; esac
[ -d "$r" ] && exit ${EXIT.directory}
[ -e "$r" ] && { [ -f "$r" ] && [ -w "$r" ] || exit ${EXIT.notPermitted}; }
d=\${r%/*}
[ -d "$d" ] || mkdir -p -- "$d" || exit ${EXIT.notPermitted}
t=$d/.$2
set -C
: > "$t" || exit ${EXIT.notPermitted}
set +C
trap 'rm -f -- "$t"' EXIT
cat > "$t" || exit ${EXIT.diskFull}
[ -e "$r" ] && chmod --reference="$r" -- "$t"
mv -fT -- "$t" "$r" || exit ${EXIT.notPermitted}
trap - EXIT
`;

const GLOB = `${RESOLVE}
[ -e "$r" ] || exit ${EXIT.notFound}
[ -d "$r" ] || exit ${EXIT.notPermitted}
exec find "$r" -xdev -mindepth 1 ! -type d -printf '%T@ %P\\0' 2>/dev/null
`;

const GREP = `${RESOLVE}
[ -e "$r" ] || exit ${EXIT.notFound}
mode=-P
echo | grep -qP '^$' 2>/dev/null || mode=-E
exec grep $mode -rnHIs -D skip --exclude-dir=.git -e "$2" -- "$r"
`;

const OWN = `/workspace /tmp ${OUTPUTS}`;
const USAGE = `du -skx ${OWN} 2>/dev/null; echo files; find ${OWN} -xdev -printf . 2>/dev/null | wc -c`;

export async function readFile(run: RunHelper, path: string, maxBytes: number): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let size = 0;
  const end = await run({
    script: READ,
    args: [absolutePath(path), String(maxBytes + 1)],
    signal: AbortSignal.timeout(FILE_TIMEOUT_MS),
    onOutput(chunk) {
      chunks.push(chunk);
      size += chunk.length;
      return size <= maxBytes;
    },
  });
  if (end.cut) throw new WorkspaceFileError('too_large', `${path} is larger than ${maxBytes} bytes.`);
  refuseFailure(end, path);
  return Buffer.concat(chunks);
}

export async function writeFile(
  run: RunHelper,
  path: string,
  content: Uint8Array | string,
  temporaryName: string,
): Promise<void> {
  const end = await run({
    script: WRITE,
    args: [absolutePath(path), temporaryName],
    stdin: content,
    signal: AbortSignal.timeout(FILE_TIMEOUT_MS),
    onOutput: () => true,
  });
  refuseFailure(end, path);
}

export async function globFiles(
  run: RunHelper,
  pattern: string,
  path: string | undefined,
  limit: number,
  signal: AbortSignal,
): Promise<string[]> {
  const glob = parseGlob(pattern);
  if (glob === null) {
    throw new WorkspaceFileError(
      'invalid_pattern',
      `${pattern} is not a glob: it is empty, climbs with .., or has too many alternatives.`,
    );
  }
  const base = absolutePath(glob.base === '' ? (path ?? '.') : glob.base);
  const found: Array<{ path: string; modified: number }> = [];
  let rest = Buffer.alloc(0);
  const end = await run({
    script: GLOB,
    args: [base],
    signal: AbortSignal.any([signal, AbortSignal.timeout(FILE_TIMEOUT_MS)]),
    onOutput(chunk) {
      const bytes = Buffer.concat([rest, chunk]);
      const last = bytes.lastIndexOf(0);
      rest = bytes.subarray(last + 1);
      for (const entry of last < 0 ? [] : bytes.toString('utf8', 0, last).split('\0')) {
        const space = entry.indexOf(' ');
        const name = entry.slice(space + 1);
        if (glob.matches(name)) found.push({ path: posix.join(base, name), modified: Number(entry.slice(0, space)) });
      }
      return found.length < MOST_MATCHES;
    },
  });
  // find ends with 1 when a folder could not be read; the rest is still an answer.
  if (!end.cut && end.code !== 1) refuseFailure(end, path ?? ROOT);
  return found
    .sort(byNewest)
    .slice(0, limit)
    .map((file) => file.path);
}

export async function grepFiles(
  run: RunHelper,
  pattern: string,
  path: string | undefined,
  limit: number,
  signal: AbortSignal,
): Promise<string[]> {
  if (pattern.includes('\0')) throw new WorkspaceFileError('invalid_pattern', 'A pattern cannot hold a NUL character.');
  const rows: string[] = [];
  const decoder = new TextDecoder();
  let rest = '';
  const end = await run({
    script: GREP,
    args: [absolutePath(path ?? '.'), pattern],
    signal: AbortSignal.any([signal, AbortSignal.timeout(FILE_TIMEOUT_MS)]),
    onOutput(chunk) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      // A line without an end (a minified file) is kept only as far as it is shown.
      rest = (lines.pop() ?? '').slice(0, LONGEST_ROW + 1);
      for (const line of lines) rows.push(shortRow(line));
      return rows.length < limit;
    },
  });
  if (end.cut) return rows.slice(0, limit);
  if (end.code === 2 && rows.length === 0 && end.stderr !== '') {
    throw new WorkspaceFileError('invalid_pattern', end.stderr.replace(/^grep: /, '').trim());
  }
  // 1: nothing found. 2: something was unreadable, or a line was too hard for the pattern; the rest is still an answer.
  if (end.code !== 1 && end.code !== 2) refuseFailure(end, path ?? ROOT);
  return rows;
}

/** Bytes that a session's files take, with 1 KiB for each file so that empty ones count too. Null when it cannot be told. */
export async function diskUsage(run: RunHelper): Promise<number | null> {
  let text = '';
  const end = await run({
    script: USAGE,
    args: [],
    signal: AbortSignal.timeout(FILE_TIMEOUT_MS),
    onOutput(chunk) {
      text += chunk.toString('latin1');
      return text.length < 10_000;
    },
  });
  const [sizes = '', files = ''] = text.split('files\n');
  if (end.code !== 0 || files === '') return null;
  const kilobytes = sizes.split('\n').reduce((sum, line) => sum + Number(line.split('\t')[0] ?? 0), 0);
  return (kilobytes + Number(files)) * 1024;
}

/** As the sandbox sees it; relative paths start at the workspace. */
export function absolutePath(path: string): string {
  if (path.includes('\0')) throw new WorkspaceFileError('not_permitted', 'A path cannot hold a NUL character.');
  if (path.length > 4096) throw new WorkspaceFileError('not_found', 'That path is longer than 4,096 characters.');
  return posix.resolve(ROOT, path);
}

function shortRow(line: string): string {
  return line.length <= LONGEST_ROW ? line : `${line.slice(0, LONGEST_ROW)}… (line cut)`;
}

export function refuseFailure(end: HelperEnd, path: string): void {
  switch (end.code) {
    case 0:
      return;
    case EXIT.notFound:
      throw new WorkspaceFileError('not_found', `${path} does not exist.`);
    case EXIT.directory:
      throw new WorkspaceFileError('is_directory', `${path} is a directory.`);
    case EXIT.notPermitted:
      throw new WorkspaceFileError('not_permitted', `${path} is not a file that may be used here.`);
    case EXIT.leaves:
      throw new WorkspaceFileError('not_permitted', `${path} is a link that leaves the workspace.`);
    case EXIT.diskFull:
      throw new WorkspaceFileError(
        'disk_full',
        `${path} could not be written: the disk or the file size limit is full.`,
      );
    case null:
      throw new WorkspaceLostError(`The operation on ${path} was stopped: it took too long or was interrupted.`);
    default:
      throw new WorkspaceLostError(`The sandbox failed on ${path} (${end.code}): ${end.stderr.trim().slice(0, 300)}`);
  }
}
