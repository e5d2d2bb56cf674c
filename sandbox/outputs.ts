import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import { OUTPUTS, type OutputFile } from '../src/tools/workspace.ts';
import { type RunHelper, refuseFailure } from './file-operations.ts';

/** A folder with more files than this is looked at only so far. */
const MOST_LISTED = 10_000;
const LIST_MS = 30_000;
/** A file that gives nothing for so long is none any more: something else has taken its place. */
const STALL_MS = 30_000;

const LIST = `exec find ${OUTPUTS} -xdev -type f -printf '%C@ %s %P\\0' 2>/dev/null`;

/** Links are not followed, and what is no file has no bytes. Whatever is swapped meanwhile is still the sandbox's own. */
const READ = `
cd ${OUTPUTS} || exit 11
[ -L "./$1" ] && exit 13
[ -e "./$1" ] || exit 11
[ -f "./$1" ] && [ -r "./$1" ] || exit 13
exec head -c "$2" -- "./$1"
`;

export async function listOutputs(run: RunHelper, signal: AbortSignal): Promise<OutputFile[]> {
  const files: OutputFile[] = [];
  let rest = Buffer.alloc(0);
  const end = await run({
    script: LIST,
    args: [],
    signal: AbortSignal.any([signal, AbortSignal.timeout(LIST_MS)]),
    onOutput(chunk) {
      const bytes = Buffer.concat([rest, chunk]);
      const last = bytes.lastIndexOf(0);
      rest = bytes.subarray(last + 1);
      for (const entry of last < 0 ? [] : bytes.toString('utf8', 0, last).split('\0')) files.push(parseEntry(entry));
      return files.length < MOST_LISTED;
    },
  });
  // find ends with 1 when a folder could not be read; the rest is still an answer.
  if (!end.cut && end.code !== 1) refuseFailure(end, OUTPUTS);
  return files.sort((a, b) => Number(a.changed) - Number(b.changed) || (a.path < b.path ? -1 : 1));
}

function parseEntry(entry: string): OutputFile {
  const [changed = '', size = '', ...path] = entry.split(' ');
  return { path: path.join(' '), size_bytes: Number(size), changed };
}

/** At most `maxBytes` of it, as fast as they are taken. @throws WorkspaceFileError, WorkspaceLostError */
export async function* readOutput(
  run: RunHelper,
  path: string,
  maxBytes: number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stop = new AbortController();
  const stopped = AbortSignal.any([signal, stop.signal]);
  const bytes = new PassThrough();
  const ended = run({
    script: READ,
    args: [path, String(maxBytes)],
    signal: stopped,
    async onOutput(chunk) {
      if (!bytes.write(chunk)) await once(bytes, 'drain', { signal: stopped });
      return true;
    },
  })
    .then((end) => {
      refuseFailure(end, `${OUTPUTS}/${path}`);
      bytes.end();
    })
    .catch((error: Error) => void bytes.destroy(error));
  try {
    const reader = bytes[Symbol.asyncIterator]();
    for (;;) {
      const stalled = setTimeout(() => stop.abort(), STALL_MS);
      const next = await reader.next().finally(() => clearTimeout(stalled));
      if (next.done === true) return;
      yield next.value as Uint8Array;
    }
  } finally {
    stop.abort();
    await ended;
    bytes.destroy();
  }
}
