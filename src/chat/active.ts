import type { LogEntry } from '../session/event.ts';
import type { LogHead } from '../session/log.ts';

/** A run is under way, about to begin, or waits for people in its middle. */
export function isActive(head: LogHead): boolean {
  if (head.status === 'terminated') return false;
  return head.owed || head.status !== 'idle' || head.stop_reason?.type === 'requires_action';
}

/** Here a run came to its end, or the session did. */
export function isRunEnd({ event }: Pick<LogEntry, 'event'>): boolean {
  if (event.type === 'session.status_terminated') return true;
  return event.type === 'session.status_idle' && event.stop_reason.type !== 'requires_action';
}
