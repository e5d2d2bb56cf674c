/**
 * Every error Deckhand throws on purpose. An expected outcome is a value, never one of these.
 * `code` is stable and safe to show; `remedy` tells a person what to do next.
 */
export class DeckhandError extends Error {
  readonly code: string;
  readonly remedy: string | undefined;

  constructor(code: string, message: string, options: { cause?: unknown; remedy?: string } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.remedy = options.remedy;
  }
}

/** A request or record that breaks a rule. `path` points at the field, as in `events.0.content`. */
export class InvalidInputError extends DeckhandError {
  readonly path: string | undefined;
  /** A stable code for a client to branch on, where the API has one, as in `budget_create_only`. */
  readonly reason: string | undefined;

  constructor(message: string, path?: string, reason?: string) {
    super('invalid_input', path === undefined ? message : `${path}: ${message}`);
    this.path = path;
    this.reason = reason;
  }
}

/** The id does not exist in the caller's workspace. Another workspace's id is the same error. */
export class NotFoundError extends DeckhandError {
  constructor(what: string, id: string) {
    super('not_found', `${what} ${id} was not found.`);
  }
}

/** The caller acted on a version or state that has moved on. */
export class ConflictError extends DeckhandError {
  constructor(message: string, options: { cause?: unknown } = {}) {
    super('conflict', message, options);
  }
}

/** The log's head is past what the caller saw: re-read and retry. */
export class LogMovedError extends DeckhandError {
  constructor(sessionId: string) {
    super('log_moved', `The log of session ${sessionId} moved since it was read.`);
  }
}

/** The session's lease belongs to somebody else now: stop at once, append nothing. */
export class LeaseLostError extends DeckhandError {
  constructor(sessionId: string) {
    super('lease_lost', `The lease of session ${sessionId} was taken over.`);
  }
}

/** The session is archived or terminated: its log takes no more inputs. */
export class SessionClosedError extends DeckhandError {
  constructor(sessionId: string, how: 'archived' | 'terminated') {
    super('session_closed', `Session ${sessionId} is ${how}: it takes no events.`);
  }
}

/** A file has more bytes than the house keeps of one. */
export class FileTooLargeError extends DeckhandError {
  constructor(maxBytes: number) {
    super('file_too_large', `A file may have ${megabytes(maxBytes)} at most.`);
  }
}

/** The files of a session, or of a workspace, take all the room that they may together. */
export class FilesFullError extends DeckhandError {
  declare readonly remedy: string;

  constructor(of: 'session' | 'workspace', maxBytes: number) {
    super(
      'files_full',
      `The files of a ${of} may have ${megabytes(maxBytes)} together, and there is no room for more.`,
      {
        remedy: of === 'session' ? 'Have some deleted, or begin a new conversation.' : 'Have some deleted.',
      },
    );
  }
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1024 / 1024).toLocaleString('en')} MB`;
}

/** What went wrong, as one sentence for a log or a person; never a stack. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
