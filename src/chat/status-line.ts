import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from '../logger.ts';
import { type Connector, RateLimitedError, type Status } from './connector.ts';
import type { ConversationKey } from './place.ts';

/** Platforms forget a status after a while (Slack: two minutes), so one that still holds is set again. */
const REFRESH_MS = 60_000;
/** How often the last one is tried: nothing comes after it that would put it right. */
const LAST_TRIES = 4;
const LONGEST_WAIT_MS = 30_000;

/** What a conversation shows while the agent works. A status that fails holds up nothing; the next one puts it right. */
export interface StatusLine {
  set(status: Status): Promise<void>;
  /** While it is held, nothing is shown; what was set last is, afterwards. */
  hold(held: boolean): Promise<void>;
  /** Set it again when that is due. */
  refresh(): Promise<void>;
  /** The session rests: see to it that what was set last is shown, unless the platform keeps failing. */
  settle(): Promise<void>;
  /** What was set last is not shown yet: it failed, or is held. */
  readonly isOpen: boolean;
}

export interface StatusLineDeps {
  connector: Connector;
  conversation: ConversationKey;
  /** What the session is called. */
  title: string | null;
  calls: AbortSignal;
  logger: Logger;
  /** First wait after a failed call; doubled each time. */
  retry_ms: number;
  refresh_ms?: number;
}

export function createStatusLine(deps: StatusLineDeps): StatusLine {
  const { connector, conversation, title, calls, logger, refresh_ms = REFRESH_MS } = deps;
  const called = title === null ? {} : { title };
  let last: Status = { state: 'resting' };
  let set_at = 0;
  let isHeld = false;
  let isWithheld = false;
  let failure: unknown = null;

  async function show(): Promise<void> {
    set_at = performance.now();
    try {
      await connector.setStatus(conversation, { ...last, ...called }, calls);
      failure = null;
    } catch (error) {
      failure = error;
      logger.debug({ err: error, conversation }, 'status was not shown');
    }
  }

  async function set(status: Status): Promise<void> {
    last = status;
    isWithheld = isHeld;
    if (!isHeld) await show();
  }

  return {
    set,
    async hold(held) {
      isHeld = held;
      if (isWithheld && !held) await set(last);
    },
    async refresh() {
      if (last.state === 'working' && performance.now() - set_at >= refresh_ms) await set(last);
    },
    get isOpen() {
      return failure !== null || isWithheld;
    },
    async settle() {
      for (let tries = 1; failure !== null && tries < LAST_TRIES; tries += 1) {
        const wait = failure instanceof RateLimitedError ? failure.retry_after_ms : deps.retry_ms * 2 ** tries;
        await sleep(Math.min(wait, LONGEST_WAIT_MS), undefined, { signal: calls });
        await show();
      }
      failure = null;
    },
  };
}
