import { LRUCache } from 'lru-cache';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Hints, parseSessionHint, sessionChannel } from '../session/hints.ts';
import { holdLease } from '../session/lease.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { Connector, ConversationKey } from './connector.ts';
import type { CursorLease, CursorStore } from './delivery-cursor.ts';
import type { DeliveryStore } from './delivery-store.ts';
import { createLive } from './live.ts';
import type { Pace } from './pace.ts';
import type { DescribeCall } from './render-entries.ts';
import { type ShowDeps, showEntry, showLive } from './session-delivery.ts';
import { createStatusLine } from './status-line.ts';
import { createWaiter } from './waiter.ts';

/** Entries read at a time. */
const PAGE = 200;
/** Calls and questions of one session that are looked up in memory when something becomes of them. */
const REMEMBERED = 500;

export interface ShowSessionDeps {
  log: SessionLog;
  hints: Hints;
  cursors: CursorStore;
  store: DeliveryStore;
  connectors: ReadonlyMap<string, Connector>;
  describe: DescribeCall;
  pace: Pace;
  logger: Logger;
  timings: {
    /** How long a silent gateway keeps a session. */
    lease_ms: number;
    sweep_ms: number;
    retry_ms: number;
    /** How often a status that still holds is set again; default a minute. */
    status_ms?: number;
  };
}

/** Where a session is shown. */
export interface Target {
  conversation: ConversationKey;
  agent_name: string;
  title: string | null;
  /** It takes nothing more: it was archived. */
  ended: boolean;
}

/** A session that is being shown: a wake sets `again` and pokes. */
export interface Showing {
  again: boolean;
  poke: () => void;
}

interface Shown {
  ref: SessionRef;
  target: Target;
  connector: Connector;
  lease: CursorLease;
  slot: Showing;
  /** Begin nothing new. */
  stopping: AbortSignal;
  /** The time for what was under way then is over. */
  drained: AbortSignal;
}

/**
 * Show a session from its cursor on, for as long as this gateway holds it and something is or may soon be under way.
 * @throws PlatformFailedError when the platform keeps failing; the cursor stands at what was shown
 */
export async function showSession(deps: ShowSessionDeps, show: Shown): Promise<void> {
  const { ref, target, connector, lease, slot, stopping, drained } = show;
  using held = holdLease(deps.cursors, lease, deps.timings.lease_ms);
  const signal = AbortSignal.any([stopping, held.signal]);
  const calls = AbortSignal.any([drained, held.signal]);

  const live = createLive();
  const bell = createWaiter(signal);
  slot.poke = bell.ring;
  const { conversation } = target;
  const { logger } = deps;
  const refresh = deps.timings.status_ms === undefined ? {} : { refresh_ms: deps.timings.status_ms };
  const status = createStatusLine({
    connector,
    conversation,
    title: target.title,
    calls,
    logger,
    retry_ms: deps.timings.retry_ms,
    ...refresh,
  });
  const parts: ShowDeps = {
    ...ref,
    ref,
    log: deps.log,
    store: deps.store,
    connector,
    connectors: deps.connectors,
    pace: deps.pace,
    conversation,
    live,
    status,
    titles: new LRUCache({ max: REMEMBERED }),
    questions: new LRUCache({ max: REMEMBERED }),
    logger,
    retry_ms: deps.timings.retry_ms,
    signal,
    calls,
    isHeld: held.isHeld,
    context: { agent_name: target.agent_name, text_limit: connector.limits.text, describe: deps.describe },
  };
  // Not waited for: without Redis there are no live texts, and the log is looked at now and then.
  const subscribed = deps.hints
    .subscribe(sessionChannel(ref.session_id), (message) => {
      const hint = parseSessionHint(message);
      if (hint?.type === 'appended') bell.ring();
      if (hint?.type === 'preview' && live.accept(hint.event)) bell.ringIn(connector.limits.edit_interval_ms);
    })
    .catch((err: unknown) => {
      logger.warn({ reason: messageOf(err), ...ref }, 'session is shown without hints');
      return null;
    });
  let seq = lease.seq;
  let advanced = seq;
  try {
    for (;;) {
      signal.throwIfAborted();
      slot.again = false;
      const entries = await deps.log.read(ref, seq, PAGE);
      // What was going on while nobody looked need not be shown as if it were now.
      await status.hold(entries.length === PAGE);
      for (const entry of entries) {
        signal.throwIfAborted();
        await showEntry(parts, entry);
        seq = entry.seq;
      }
      if (entries.length > 0) {
        if (!(await deps.cursors.advance(lease, seq))) return;
        advanced = seq;
        continue;
      }
      if (live.pending) await showLive(parts);
      const head = await deps.log.head(ref);
      if (head.seq > seq) continue;
      // While a turn is owed it is about to begin: whoever watches already sees its first words.
      const rests = !head.owed && (head.status === 'idle' || head.status === 'terminated');
      if (rests && target.ended) await status.set({ state: 'ended' });
      if (rests) await status.settle();
      if (rests && (await deps.log.delivered(ref, seq))) return;
      if (rests) continue;
      await status.refresh();
      await bell.wait(deps.timings.sweep_ms);
    }
  } finally {
    bell.clear();
    subscribed
      .then((unsubscribe) => unsubscribe?.())
      .catch((err: unknown) => logger.debug({ err, ...ref }, 'session is still watched'));
    slot.poke = () => undefined;
    // What was shown before a failure or a stop need not be shown again.
    if (seq > advanced) await deps.cursors.advance(lease, seq);
  }
}
