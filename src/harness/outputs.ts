import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { FilesFullError, FileTooLargeError, messageOf } from '../errors.ts';
import { mimeTypeOf } from '../resources/mime-type.ts';
import type { EventOf, SessionEvent } from '../session/event.ts';
import { outputAt } from '../session/left-outputs.ts';
import type { Output } from '../session/session-state.ts';
import { type OutputFile, type Workspace, WorkspaceFileError, WorkspaceLostError } from '../tools/workspace.ts';
import { stamp } from './turn-log.ts';
import type { Turn } from './turn-parts.ts';

/** Files that one end of a run shares; the others wait for the next. */
const MOST_AT_ONCE = 20;
/** Paths that one session shares. Who needs more packs them into archives. */
const MOST_OF_SESSION = 1_000;
/** Longest that one file may take to be read and stored. */
const KEEP_MS = 10 * 60_000;

/** Files that are shared later. */
interface Waiting {
  count: number;
  /** Null: there are too many of them. */
  why: string | null;
}

const STOPPED = 'I was stopped before I had shared everything. Ask me to go on.';
const TOO_MANY =
  `I share ${MOST_AT_ONCE} at a time and ${MOST_OF_SESSION.toLocaleString('en')} in a session. ` +
  'Ask me to go on, or to pack them into one archive.';

/** What became of one file at the end of a run. */
type Kept =
  | { kind: 'shared'; event: EventOf<'deckhand.output_shared'> }
  /** Not before it changes. */
  | { kind: 'withheld'; why: string }
  /** At the end of the next run; `why` when something has to be done first. */
  | { kind: 'waits'; why?: string }
  /** People have it: it was touched, or written again as it was. */
  | { kind: 'unchanged' }
  /** There is nothing to share. */
  | { kind: 'gone' };

/**
 * What the agent has left for people since it last rested, stored: as events to stand before the run's end. Each path is
 * shared once for each content; whatever dies before they are appended, the next turn finds the same files, and those that
 * are stored already are not stored again. Only on the machine that has them: a sandbox's files are there.
 *
 * A Stop ends it at once, with what is stored by then; so does the loss of the lease, and then the events are nobody's.
 */
export async function collectOutputs(turn: Turn): Promise<SessionEvent[]> {
  return (await turn.session.hasOutputs()) ? turn.act(() => store(turn)) : [];
}

async function store(turn: Turn): Promise<SessionEvent[]> {
  const { storing } = turn;
  const looked = await look(turn, storing);
  if (looked === null) return storing.aborted ? [unlisted(turn)] : [];
  const { workspace, found } = looked;
  const { state } = turn.log;
  const shared: SessionEvent[] = [];
  const unchanged: OutputFile[] = [];
  const withheld: Array<{ file: OutputFile; why: string }> = [];
  const waiting: Waiting = { count: 0, why: null };
  let paths = state.outputs.length;
  let noRoomFor = Number.POSITIVE_INFINITY;
  for (const file of found) {
    const before = outputAt(state, file.path);
    if (before?.changed === file.changed) continue;
    // Where one had no room a larger one has none: it would be written to be erased.
    const isFull =
      file.size_bytes >= noRoomFor ||
      shared.length === MOST_AT_ONCE ||
      (before === undefined && paths === MOST_OF_SESSION);
    const kept: Kept =
      isFull || storing.aborted
        ? { kind: 'waits' }
        : await keep(turn, { workspace, file, signal: storing }, before?.content ?? null);
    if (before === undefined && (kept.kind === 'shared' || kept.kind === 'withheld')) paths += 1;
    if (kept.kind === 'shared') shared.push(kept.event);
    else if (kept.kind === 'unchanged') unchanged.push(file);
    else if (kept.kind === 'withheld') withheld.push({ file, why: kept.why });
    else if (kept.kind === 'waits') {
      waiting.count += 1;
      waiting.why ??= kept.why ?? null;
      if (kept.why !== undefined) noRoomFor = Math.min(noRoomFor, file.size_bytes);
    }
  }
  return [
    ...shared,
    ...unchangedEvents(turn, unchanged),
    ...withheldEvents(turn, withheld, { ...waiting, why: storing.aborted ? STOPPED : waiting.why }),
  ];
}

/** The files as they are; null when there is no telling. They stay where they are, for the next end of a run. */
async function look(turn: Turn, signal: AbortSignal): Promise<{ workspace: Workspace; found: OutputFile[] } | null> {
  try {
    const workspace = await unlessAborted(signal, turn.session.openWorkspace());
    if (workspace === null) return null;
    const found = await workspace.outputs(AbortSignal.any([signal, AbortSignal.timeout(KEEP_MS)]));
    return { workspace, found };
  } catch (error) {
    if (!isSandboxs(error)) throw error;
    turn.deps.logger.warn({ ...turn.ref, reason: messageOf(error) }, 'outputs were not looked at');
    return null;
  }
}

/** What `work` gives, or null as soon as the signal fires; the work itself goes on. */
async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T | null> {
  const done = new AbortController();
  const aborted = once(signal, 'abort', { signal: done.signal }).then(
    () => null,
    () => null,
  );
  return Promise.race([work, ...(signal.aborted ? [null] : [aborted])]).finally(() => done.abort());
}

async function keep(
  { deps, ref }: Turn,
  { workspace, file, signal }: { workspace: Workspace; file: OutputFile; signal: AbortSignal },
  known: Output['content'],
): Promise<Kept> {
  const { path, changed, size_bytes } = file;
  const { files, now } = deps;
  if (size_bytes > files.max_bytes) return { kind: 'withheld', why: new FileTooLargeError(files.max_bytes).message };
  const filename = path.split('/').at(-1) ?? path;
  const mime_type = mimeTypeOf(filename);
  const key = `output/${ref.session_id}/${createHash('sha256').update(`${path}\0${changed}`).digest('hex')}`;
  const read = () => workspace.readOutput(path, size_bytes, AbortSignal.any([signal, AbortSignal.timeout(KEEP_MS)]));
  try {
    const before = await files.withKey(ref.workspace_id, key);
    if (before === null && size_bytes === known?.size_bytes && (await sha256Of(read())) === known.sha256) {
      return { kind: 'unchanged' };
    }
    const stored = before ?? (await files.keep({ ...ref, filename, mime_type, purpose: 'output', key }, read()));
    const { _id: file_id, sha256 } = stored;
    const about = {
      file_id,
      path,
      changed,
      filename: stored.filename,
      mime_type,
      size_bytes: stored.size_bytes,
      sha256,
    };
    return { kind: 'shared', event: { ...stamp(now), type: 'deckhand.output_shared', ...about } };
  } catch (error) {
    if (signal.aborted) return { kind: 'waits' };
    if (error instanceof FilesFullError) return { kind: 'waits', why: `${error.message} ${error.remedy}` };
    if (!isSandboxs(error)) throw error;
    deps.logger.warn({ ...ref, reason: messageOf(error) }, 'an output was not shared');
    // It was renamed or deleted since it was found; or the sandbox failed, and the next end of a run finds it again.
    const isOver = error instanceof WorkspaceLostError || error.code === 'not_found';
    return isOver ? { kind: 'gone' } : { kind: 'withheld', why: 'It could not be read.' };
  }
}

async function sha256Of(content: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  for await (const bytes of content) hash.update(bytes);
  return hash.digest('hex');
}

function isSandboxs(error: unknown): error is WorkspaceFileError | WorkspaceLostError {
  return error instanceof WorkspaceFileError || error instanceof WorkspaceLostError;
}

/** The Stop came before it was known what there is. */
function unlisted({ deps, log }: Turn): EventOf<'deckhand.output_withheld'> {
  const text = 'I was stopped before I had looked what there is to share. Ask me to go on.';
  return { ...stamp(deps.now), type: 'deckhand.output_withheld', files: [], waiting: log.state.outputs_waiting, text };
}

/** So that the next end of a run need not read them again. */
function unchangedEvents({ deps }: Turn, files: readonly OutputFile[]): EventOf<'deckhand.outputs_unchanged'>[] {
  if (files.length === 0) return [];
  const marks = files.map(({ path, changed }) => ({ path, changed }));
  return [{ ...stamp(deps.now), type: 'deckhand.outputs_unchanged', files: marks }];
}

function withheldEvents(
  { deps, log }: Turn,
  withheld: ReadonlyArray<{ file: OutputFile; why: string }>,
  { count, why }: Waiting,
): EventOf<'deckhand.output_withheld'>[] {
  const isNews = count > 0 && (why === STOPPED || count !== log.state.outputs_waiting);
  if (withheld.length === 0 && !isNews) return [];
  const lines = withheld
    .slice(0, MOST_AT_ONCE)
    .map(({ file, why: because }) => `I could not share ${file.path}. ${because}`);
  if (count > 0) {
    const waits = `${count.toLocaleString('en')} more ${count === 1 ? 'file waits' : 'files wait'}`;
    lines.push(`${waits} in my outputs folder: ${why ?? TOO_MANY}`);
  }
  const files = withheld.map(({ file: { path, changed } }) => ({ path, changed }));
  return [{ ...stamp(deps.now), type: 'deckhand.output_withheld', files, waiting: count, text: lines.join('\n') }];
}
