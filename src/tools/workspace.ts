export { OUTPUTS, UPLOADS } from '../session/mounts.ts';

/**
 * The hands: where a session's commands run and its files live. The harness and the tools see only this;
 * how it is isolated is the sandbox's business (`sandbox/` implements it).
 *
 * A workspace is made lazily, survives between turns and may die at any time. When it dies, the call that met the
 * death returns `outcome: 'lost'` (or throws WorkspaceLostError from a file operation): a tool error that Claude reads,
 * never a dead session. The next call gets a fresh process over the same files.
 */

/** Limits in force for one workspace. Sizes in bytes, times in milliseconds. */
export interface WorkspaceLimits {
  processes: number;
  memory_bytes: number;
  /** Share of CPU, 1 = one core. */
  cpus: number;
  /** Largest single file a command may write. */
  file_bytes: number;
  /** All files of the workspace together; checked while commands run. */
  disk_bytes: number;
  /** What one command may print before it is stopped. */
  output_bytes: number;
  /** A command's time when the call names none. */
  timeout_ms: number;
}

export interface ExecRequest {
  command: string;
  /** At most the environment's limit; default `limits.timeout_ms`. */
  timeout_ms?: number;
  /** Called with output as it appears, stdout and stderr interleaved, already valid UTF-8. */
  onOutput?: (chunk: string) => void;
}

export interface ExecResult {
  /**
   * `exited`: the command ended by itself, see exit_code. `timed_out`, `interrupted` (the signal fired) and
   * `output_limit`: it was stopped with its whole process tree. `lost`: the sandbox died under it.
   */
  outcome: 'exited' | 'timed_out' | 'interrupted' | 'output_limit' | 'lost';
  exit_code: number | null;
  /** stdout and stderr interleaved as a terminal would show them. */
  output: string;
  /** A sentence for the model when something other than a plain exit happened (killed by memory limit, disk full…). */
  note?: string;
}

export interface Workspace extends AsyncDisposable {
  readonly session_id: string;
  /** Where relative paths start, as the model sees it: `/workspace`. */
  readonly root: string;
  readonly limits: WorkspaceLimits;
  /** Start the shell, if it does not run, so that the next command need not wait for it. */
  warmUp(): Promise<void>;
  /**
   * Run one command in the session's persistent shell: working directory, variables and functions last until
   * `restartShell` or a lost sandbox. Commands of one workspace run one after another.
   */
  exec(request: ExecRequest, signal: AbortSignal): Promise<ExecResult>;
  restartShell(): Promise<void>;
  /**
   * Read a file as the sandboxed user would: links that leave the workspace are not followed.
   * @throws WorkspaceFileError when it is missing, a directory, not permitted or larger than `maxBytes`.
   */
  readFile(path: string, maxBytes: number): Promise<Uint8Array>;
  /** Create or overwrite, making parent directories. @throws WorkspaceFileError */
  writeFile(path: string, content: Uint8Array | string): Promise<void>;
  /** Paths matching a doublestar pattern below `path`, newest first, at most `limit`. @throws WorkspaceFileError */
  glob(pattern: string, path: string | undefined, limit: number, signal: AbortSignal): Promise<string[]>;
  /** `path:line:text` rows matching a regular expression, at most `limit`. @throws WorkspaceFileError */
  grep(pattern: string, path: string | undefined, limit: number, signal: AbortSignal): Promise<string[]>;
  /** What stands below OUTPUTS, oldest change first; links, pipes and devices are left out. At most 10,000. */
  outputs(signal: AbortSignal): Promise<OutputFile[]>;
  /**
   * The first `maxBytes` of one of them, as fast as they are taken: one that grows meanwhile does not keep anybody.
   * @throws WorkspaceFileError, WorkspaceLostError
   */
  readOutput(path: string, maxBytes: number, signal: AbortSignal): AsyncIterable<Uint8Array>;
  /** Ends every process; files stay for the next open. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Makes and finds workspaces; one per worker process. */
export interface WorkspaceProvider {
  /** e.g. `bubblewrap`; shown by readiness and in `describe`. */
  readonly name: string;
  /** What isolation and which limits are in force on this host, in words for the operator. */
  describe(): string;
  /** The running workspace of this session, or a new one over its files. Concurrent calls share one. */
  open(request: OpenWorkspace): Promise<Workspace>;
  /** Whether anything stands below the session's OUTPUTS on this machine: cheap, and no workspace is made for it. */
  hasOutputs(session_id: string): Promise<boolean>;
  /** Sessions that have files here. */
  sessions(): Promise<string[]>;
  /** End the session's processes and delete its files (session deleted or archived). */
  destroy(session_id: string): Promise<void>;
  /** End processes of workspaces unused for `idle_ms`; called by the worker now and then. Returns how many. */
  reapIdle(idle_ms: number): Promise<number>;
  /** End what dead workers of this machine left behind (processes, control groups, pipes). Returns how many. */
  reapOrphans(): Promise<number>;
  /** End everything this process started; files stay. */
  close(): Promise<void>;
}

export interface OpenWorkspace {
  workspace_id: string;
  session_id: string;
  /** From the environment; absent fields take the provider's defaults. */
  limits?: Partial<WorkspaceLimits>;
  /** What stands below UPLOADS from then on, and nothing else does. Absent: what stood there before. */
  uploads?: readonly MountedFile[];
}

/** A file that people attached. Its bytes never change. */
export interface MountedFile {
  id: string;
  /** One safe path component, of this file alone in its session. */
  name: string;
  size_bytes: number;
  /** Read when the file is not there yet. */
  content(): AsyncIterable<Uint8Array>;
}

/** A file that the agent made, as it was found. */
export interface OutputFile {
  /** Below OUTPUTS, with `/` between. */
  path: string;
  size_bytes: number;
  /** When it or its name was last changed, as the kernel says: nobody inside can set it. Another one, another content. */
  changed: string;
}

export class WorkspaceFileError extends Error {
  readonly code: 'not_found' | 'is_directory' | 'not_permitted' | 'too_large' | 'invalid_pattern' | 'disk_full';

  constructor(code: WorkspaceFileError['code'], message: string) {
    super(message);
    this.name = 'WorkspaceFileError';
    this.code = code;
  }
}

export class WorkspaceLostError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'WorkspaceLostError';
  }
}
