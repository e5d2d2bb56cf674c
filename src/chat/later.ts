import { RateLimitedError } from './connector.ts';

/** Its conversation waits for one that may be tried again so soon; a longer wait puts it off, and the conversation goes on. */
export const LONGEST_WAIT_MS = 5_000;

/** It can be applied, and not now: it is put off, and its conversation goes on meanwhile. */
export class PutOffError extends Error {
  readonly wait_ms: number;
  /** A sentence for whoever waits; null when nothing need be said. */
  readonly text: string | null;
  /** What it waits for stands behind it in its own line, and comes no sooner for waiting there. */
  readonly behind: boolean;

  constructor(
    wait_ms: number,
    text: string | null,
    { behind = false, ...options }: ErrorOptions & { behind?: boolean } = {},
  ) {
    super(`Put off for ${wait_ms} ms`, options);
    this.name = 'PutOffError';
    this.wait_ms = wait_ms;
    this.text = text;
    this.behind = behind;
  }
}

/** How long until one that failed with this is tried again: `retry_ms`, unless that asks for longer. */
export function waitAfter(error: unknown, retry_ms: number): number {
  if (error instanceof PutOffError) return Math.max(error.wait_ms, retry_ms);
  return error instanceof RateLimitedError ? Math.min(error.retry_after_ms, LONGEST_WAIT_MS) : retry_ms;
}

/** How often a chat event has been put off, and for how long in all. */
export interface Delays {
  times: number;
  ms: number;
}

/** Half an hour in all: by then whoever attached something has better done it again. */
const LONGEST_MS = 30 * 60_000;
/** With the usual `retry_ms` of a second these take a quarter of an hour at least, however little the platform asks for. */
const MOST_TIMES = 10;

/** How long it is put off when `asked_ms` are asked for: each time twice as long at least, from `retry_ms` on. */
export function delayAfter({ times }: Delays, asked_ms: number, retry_ms: number): number {
  return Math.max(asked_ms, retry_ms * 2 ** times);
}

/** Whether it may be put off once more. */
export function mayBePutOff(before: Delays, wait_ms: number): boolean {
  return before.times < MOST_TIMES && before.ms + wait_ms <= LONGEST_MS;
}

/** A wait as people say it. */
export function inWords(ms: number): string {
  const seconds = Math.max(1, Math.ceil(ms / 1_000));
  if (seconds >= 120) return `${Math.ceil(seconds / 60)} minutes`;
  return seconds === 1 ? 'a second' : `${seconds} seconds`;
}
