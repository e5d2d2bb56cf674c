/**
 * Wake-ups between processes, over Redis pub/sub. A hint may be lost or doubled: whoever hears one looks at the log,
 * and whoever depends on hearing also looks now and then by itself.
 */
export interface Hints {
  publish(channel: string, message: string): Promise<void>;
  /**
   * Resolves when the subscription stands; the result ends it. Without Redis it resolves all the same, after a moment, and
   * stands as soon as Redis is back.
   */
  subscribe(channel: string, onMessage: (message: string) => void): Promise<() => Promise<void>>;
}

/** What is said on a session's channel. */
export type SessionHint =
  /** The log has entries up to `seq`. */
  | { type: 'appended'; seq: number; inputs: boolean; types: string[] }
  /** A piece of something that is being written (never stored): the API's `event_start` and `event_delta`, or tool output. */
  | { type: 'preview'; event: PreviewEvent }
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

/** Heard by every gateway: some session's log has grown. */
export const APPENDED_CHANNEL = 'appended';

/** Heard by every worker: this session (its id) was archived or deleted, so its sandbox is no longer needed. */
export const ENDED_CHANNEL = 'ended';

export function sessionChannel(session_id: string): string {
  return `session:${session_id}`;
}

/** A session's hint, or null for something that is not one (another version's message). */
export function parseSessionHint(message: string): SessionHint | null {
  try {
    const hint: SessionHint = JSON.parse(message);
    return typeof hint === 'object' && hint !== null && typeof hint.type === 'string' ? hint : null;
  } catch {
    return null;
  }
}
