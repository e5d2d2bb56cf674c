import type { Logger } from '../logger.ts';
import type { Connector, ConversationKey, Status } from './connector.ts';

/** Platforms forget a status after a while (Slack: two minutes), so one that still holds is set again. */
const REFRESH_MS = 60_000;

/** What a conversation shows while the agent works. Best effort: a status that fails is not worth waiting for. */
export interface StatusLine {
  set(status: Status): Promise<void>;
  /** While it is held, nothing is shown; what was set last is, afterwards. */
  hold(held: boolean): Promise<void>;
  /** Set it again when that is due. */
  refresh(): Promise<void>;
}

export function createStatusLine(deps: {
  connector: Connector;
  conversation: ConversationKey;
  calls: AbortSignal;
  logger: Logger;
  refresh_ms?: number;
}): StatusLine {
  const { connector, conversation, calls, logger, refresh_ms = REFRESH_MS } = deps;
  let shown: Status = null;
  let set_at = 0;
  let isHeld = false;
  let isWithheld = false;

  async function set(status: Status): Promise<void> {
    shown = status;
    isWithheld = isHeld;
    if (isHeld) return;
    set_at = performance.now();
    await connector.setStatus(conversation, status, calls).catch((err: unknown) => {
      logger.debug({ err, conversation }, 'status was not shown');
    });
  }

  return {
    set,
    async hold(held) {
      isHeld = held;
      if (isWithheld && !held) await set(shown);
    },
    async refresh() {
      if (shown !== null && performance.now() - set_at >= refresh_ms) await set(shown);
    },
  };
}
