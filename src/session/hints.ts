import type { LogEntry } from './event.ts';

/** Entries that weigh more, as JSON, are not sent along: whoever wants them reads the log. */
const MAX_HINT_CHARS = 16 * 1024;

/**
 * Wake-ups between processes, over Redis pub/sub. A hint may be lost or doubled: whoever hears one looks at the log,
 * and whoever depends on hearing also looks now and then by itself.
 */
export interface Hints {
  /** How many heard it. */
  publish(channel: string, message: string): Promise<number>;
  /**
   * Resolves when the subscription stands; the result ends it. Without Redis it resolves all the same, after a moment, and
   * stands as soon as Redis is back.
   */
  subscribe(channel: string, onMessage: (message: string) => void): Promise<() => Promise<void>>;
}

/** What is said on a session's channels. */
export type SessionHint =
  /** The log has entries up to `seq`: these are the latest, unless they are too heavy to be sent along. */
  | { type: 'appended'; seq: number; entries?: LogEntry[] }
  /**
   * A piece of something that is being written (never stored): the API's `event_start` and `event_delta`, or tool output.
   * `token` is that of its writer's lease: a worker that lost the session does not know it yet, and may still speak.
   */
  | { type: 'preview'; event: PreviewEvent; token?: number }
  | { type: 'deleted' };

export type PreviewEvent =
  | { type: 'event_start'; event: { type: 'agent.message' | 'agent.thinking'; id: string } }
  | {
      type: 'event_delta';
      event_id: string;
      delta: { type: 'content_delta'; index: number; content: { type: 'text'; text: string } };
    }
  /** The whole of what is being written so far, now and then: whoever came too late for its beginning joins here. */
  | { type: 'event_so_far'; event_id: string; blocks: string[] }
  /** The preview ends without its event: a failed or interrupted request. */
  | { type: 'preview_dropped'; event_id: string }
  /** Output of a running tool call. */
  | { type: 'tool_output'; tool_use_id: string; text: string };

/** Heard by every gateway: the log of a session that is shown in a conversation has grown. */
export const APPENDED_CHANNEL = 'appended';

/** Heard by every gateway: one of them was told by a platform to wait. */
export const LIMITED_CHANNEL = 'limited';

export interface LimitedHint {
  /** What the platform counts by, as gateways name it among themselves. */
  place: string;
  wait_ms: number;
  /** The gateway's name in leases. */
  told_by: string;
}

/** Heard by every worker: this session (its id) was archived or deleted, so its sandbox is no longer needed. */
export const ENDED_CHANNEL = 'ended';

/** Heard by one worker: a session (its id) that it is the brain of was interrupted. */
export function workerChannel(worker_id: string): string {
  return `worker:${worker_id}`;
}

/** Appends, beginnings and ends, and what is written so far: enough for whoever looks at a text now and then. */
export function sessionChannel(session_id: string): string {
  return `session:${session_id}`;
}

/** Every piece (`event_delta`) of what is written, for whoever follows it closely besides. */
export function piecesChannel(session_id: string): string {
  return `pieces:${session_id}`;
}

/** How often the whole of a text is said while it is being written, in ms; long ones less often. */
export const SO_FAR_MS = 500;

/** On both channels of a session, each in its order. The result ends it. */
export async function subscribeClosely(
  hints: Pick<Hints, 'subscribe'>,
  session_id: string,
  onMessage: (message: string) => void,
): Promise<() => Promise<void>> {
  const endPieces = await hints.subscribe(piecesChannel(session_id), onMessage);
  try {
    const end = await hints.subscribe(sessionChannel(session_id), onMessage);
    return async () => {
      await Promise.all([endPieces(), end()]);
    };
  } catch (error) {
    await endPieces();
    throw error;
  }
}

/** What is said of an append: a watcher that has everything before these entries need not read the log. */
export function appendedHint(entries: readonly LogEntry[]): string {
  const seq = entries.at(-1)?.seq ?? 0;
  const whole = JSON.stringify({ type: 'appended', seq, entries });
  return whole.length <= MAX_HINT_CHARS ? whole : JSON.stringify({ type: 'appended', seq });
}

/** A session's hint, or null for something that is not one (another version's message). */
export function parseSessionHint(message: string): SessionHint | null {
  try {
    const hint: SessionHint = JSON.parse(message);
    if (typeof hint !== 'object' || hint === null || typeof hint.type !== 'string') return null;
    if (hint.type !== 'appended' || hint.entries === undefined) return hint;
    return { ...hint, entries: hint.entries.map((entry) => ({ ...entry, created_at: new Date(entry.created_at) })) };
  } catch {
    return null;
  }
}

/** Null for something that is none (another version's message). */
export function parseLimitedHint(message: string): LimitedHint | null {
  try {
    const { place, wait_ms, told_by }: Partial<LimitedHint> = JSON.parse(message);
    return typeof place === 'string' && typeof wait_ms === 'number' ? { place, wait_ms, told_by: told_by ?? '' } : null;
  } catch {
    return null;
  }
}
