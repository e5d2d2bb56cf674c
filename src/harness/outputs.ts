import { createHash } from 'node:crypto';
import { FileTooLargeError, messageOf } from '../errors.ts';
import { mimeTypeOf } from '../resources/mime-type.ts';
import type { EventOf, SessionEvent } from '../session/event.ts';
import type { SessionState } from '../session/session-state.ts';
import { type OutputFile, type Workspace, WorkspaceFileError, WorkspaceLostError } from '../tools/workspace.ts';
import { stamp } from './turn-log.ts';
import type { Turn } from './turn-parts.ts';

/** Files that one end of a run shares; the others wait for the next. */
const MOST_AT_ONCE = 20;
/** Paths that one session shares. Who needs more packs them into archives. */
const MOST_OF_SESSION = 1_000;
/** Longest that one file may take to be read and stored. */
const KEEP_MS = 10 * 60_000;

/**
 * What the agent has left for people since it last rested, stored: as events to stand before the run's end. Each path is
 * shared once for each content; whatever dies before they are appended, the next turn finds the same files, and those that
 * are stored already are not stored again. Only on the machine that has them: a sandbox's files are there.
 */
export async function collectOutputs(turn: Turn): Promise<SessionEvent[]> {
  if (!(await turn.session.hasOutputs())) return [];
  let workspace: Workspace;
  let found: OutputFile[];
  try {
    workspace = await turn.session.openWorkspace();
    found = await workspace.outputs(AbortSignal.timeout(KEEP_MS));
  } catch (error) {
    // They stay where they are, for the next end of a run.
    if (!isSandboxs(error)) throw error;
    turn.deps.logger.warn({ ...turn.ref, reason: messageOf(error) }, 'outputs were not looked at');
    return [];
  }
  const changed = found.filter((file) => stateOf(turn.log.state, file.path)?.changed !== file.changed);
  if (changed.length === 0) return [];
  const shared: SessionEvent[] = [];
  const withheld: Array<{ file: OutputFile; why: string }> = [];
  let waiting = 0;
  let paths = turn.log.state.outputs.length;
  for (const file of changed) {
    const before = stateOf(turn.log.state, file.path);
    if (shared.length === MOST_AT_ONCE || (before === undefined && paths === MOST_OF_SESSION)) {
      waiting += 1;
      continue;
    }
    turn.stillHeld();
    const kept = await keep(turn, workspace, file, before?.sha256 ?? null);
    if (kept === null) continue;
    if (before === undefined) paths += 1;
    if (typeof kept === 'string') withheld.push({ file, why: kept });
    else shared.push(kept);
  }
  return [...shared, ...withheldEvents(turn, withheld, waiting)];
}

function stateOf(state: SessionState, path: string): SessionState['outputs'][number] | undefined {
  return state.outputs.find((output) => output.path === path);
}

/** The event that shares it, why it cannot be shared, or null when there is nothing to share. */
async function keep(
  { deps, ref }: Turn,
  workspace: Workspace,
  file: OutputFile,
  known_sha256: string | null,
): Promise<EventOf<'deckhand.output_shared'> | string | null> {
  const { path, changed, size_bytes } = file;
  const { files, now } = deps;
  if (size_bytes > files.max_bytes) return new FileTooLargeError(files.max_bytes).message;
  const filename = path.split('/').at(-1) ?? path;
  const mime_type = mimeTypeOf(filename);
  const key = `output/${ref.session_id}/${createHash('sha256').update(`${path}\0${changed}`).digest('hex')}`;
  try {
    const stored =
      (await files.withKey(ref.workspace_id, key)) ??
      (await files.keep(
        { ...ref, filename, mime_type, purpose: 'output', key },
        workspace.readOutput(path, size_bytes, AbortSignal.timeout(KEEP_MS)),
      ));
    if (stored.sha256 === known_sha256) {
      // Touched, or written again as it was.
      await files.remove(ref.workspace_id, stored._id);
      return null;
    }
    return {
      ...stamp(now),
      type: 'deckhand.output_shared',
      file_id: stored._id,
      path,
      changed,
      filename: stored.filename,
      mime_type,
      size_bytes: stored.size_bytes,
      sha256: stored.sha256,
    };
  } catch (error) {
    if (!isSandboxs(error)) throw error;
    deps.logger.warn({ ...ref, reason: messageOf(error) }, 'an output was not shared');
    // It was renamed or deleted since it was found; or the sandbox failed, and the next end of a run finds it again.
    const isOver = error instanceof WorkspaceLostError || error.code === 'not_found';
    return isOver ? null : 'It could not be read.';
  }
}

function isSandboxs(error: unknown): error is WorkspaceFileError | WorkspaceLostError {
  return error instanceof WorkspaceFileError || error instanceof WorkspaceLostError;
}

function withheldEvents(
  { deps, log }: Turn,
  withheld: ReadonlyArray<{ file: OutputFile; why: string }>,
  waiting: number,
): EventOf<'deckhand.output_withheld'>[] {
  if (withheld.length === 0 && [0, log.state.outputs_waiting].includes(waiting)) return [];
  const lines = withheld.slice(0, MOST_AT_ONCE).map(({ file, why }) => `I could not share ${file.path}. ${why}`);
  if (waiting > 0) {
    lines.push(
      `${waiting.toLocaleString('en')} more ${waiting === 1 ? 'file waits' : 'files wait'} in my outputs folder: I share ` +
        `${MOST_AT_ONCE} at a time and ${MOST_OF_SESSION.toLocaleString('en')} in a session. Ask me to go on, or to pack them into one archive.`,
    );
  }
  const files = withheld.map(({ file: { path, changed } }) => ({ path, changed }));
  return [{ ...stamp(deps.now), type: 'deckhand.output_withheld', files, waiting, text: lines.join('\n') }];
}
