import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type Hints, parseSessionHint, sessionChannel } from '../session/hints.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { Connector, ConversationKey } from './connector.ts';
import type { CursorLease, CursorStore } from './delivery-cursor.ts';
import type { DeliveryStore } from './delivery-store.ts';
import { createLive } from './live.ts';
import type { DescribeCall } from './render-entries.ts';
import { type ShowDeps, showEntry, showLive } from './session-delivery.ts';
import { createStatusLine } from './status-line.ts';
import { createWaiter } from './waiter.ts';

export interface DelivererDeps {
  log: SessionLog;
  hints: Hints;
  cursors: CursorStore;
  store: DeliveryStore;
  connectors: ReadonlyMap<string, Connector>;
  /** Where a session is shown; null for one that lives in no conversation. */
  findTarget(ref: SessionRef): Promise<Target | null>;
  describe: DescribeCall;
  logger: Logger;
  /** This gateway's name in leases. */
  holder: string;
  timings: {
    /** How long a silent gateway keeps a session. */
    lease_ms: number;
    sweep_ms: number;
    retry_ms: number;
    /** How often a status that still holds is set again; default a minute. */
    status_ms?: number;
    /** How long a call to a platform may still take when the gateway stops; default 2 s. */
    drain_ms?: number;
  };
}

export interface Target {
  conversation: ConversationKey;
  agent_name: string;
}

/**
 * Shows sessions in their conversations: chat is a view of the log. Any number of gateways may run one; each session is
 * shown by one of them at a time, and another goes on from the cursor when it is lost.
 */
export interface Deliverer {
  start(): void;
  /** The session's log has grown. Cheap, and safe to call for any session. */
  wake(ref: SessionRef): void;
  sweepNow(): Promise<number>;
  /** Begin nothing new, finish what is being posted, and give the sessions to another gateway or the next start. */
  stop(): Promise<void>;
}

/** Entries read at a time. */
const PAGE = 200;
const SWEEP_BATCH = 500;
const DRAIN_MS = 2_000;

export function createDeliverer(deps: DelivererDeps): Deliverer {
  const stopping = new AbortController();
  /** The time for what was under way when the gateway stopped is over. */
  const drained = new AbortController();
  /** Sessions this gateway is showing: a wake sets `again`. */
  const running = new Map<string, { again: boolean; poke: () => void; done: Promise<void> }>();
  let timer: NodeJS.Timeout | null = null;

  function wake(ref: SessionRef): void {
    if (stopping.signal.aborted) return;
    const known = running.get(ref.session_id);
    if (known !== undefined) {
      known.again = true;
      known.poke();
      return;
    }
    const slot = { again: false, poke: () => undefined as void, done: Promise.resolve() };
    running.set(ref.session_id, slot);
    slot.done = runShow(ref, slot)
      .catch((err: unknown) => {
        if (!stopping.signal.aborted) deps.logger.warn({ err, ...ref }, 'delivery stopped; the sweep tries again');
        slot.again = false;
      })
      .finally(() => {
        running.delete(ref.session_id);
        if (slot.again) wake(ref);
      });
  }

  async function runShow(ref: SessionRef, slot: { again: boolean; poke: () => void }): Promise<void> {
    slot.again = false;
    const target = await deps.findTarget(ref);
    const connector = target === null ? undefined : deps.connectors.get(target.conversation.connector);
    if (target === null) {
      await deps.log.delivered(ref, (await deps.log.head(ref)).seq);
      return;
    }
    if (connector === undefined) return;
    const lease = await deps.cursors.acquire(ref.session_id, ref.workspace_id, deps.holder, deps.timings.lease_ms);
    if (lease === null) return;
    try {
      await showUnder(ref, target, connector, lease, slot);
    } finally {
      await deps.cursors.release(lease);
    }
  }

  async function showUnder(
    ref: SessionRef,
    target: Target,
    connector: Connector,
    lease: CursorLease,
    slot: { again: boolean; poke: () => void },
  ): Promise<void> {
    const lost = new AbortController();
    const signal = AbortSignal.any([stopping.signal, lost.signal]);
    const calls = AbortSignal.any([drained.signal, lost.signal]);
    const renewal = setInterval(() => {
      deps.cursors.renew(lease, deps.timings.lease_ms).then(
        (held) => held || lost.abort(new Error('Another gateway shows this session now')),
        (err: unknown) => deps.logger.warn({ reason: messageOf(err), ...ref }, 'delivery lease was not renewed'),
      );
    }, deps.timings.lease_ms / 3);

    const live = createLive();
    const bell = createWaiter(signal);
    slot.poke = bell.ring;
    const { conversation } = target;
    const { logger } = deps;
    const refresh = deps.timings.status_ms === undefined ? {} : { refresh_ms: deps.timings.status_ms };
    const status = createStatusLine({ connector, conversation, calls, logger, ...refresh });
    const show: ShowDeps = {
      ...ref,
      ref,
      log: deps.log,
      store: deps.store,
      connector,
      conversation,
      live,
      status,
      logger,
      retry_ms: deps.timings.retry_ms,
      signal,
      calls,
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
        for (const entry of entries) {
          signal.throwIfAborted();
          await showEntry(show, entry);
          seq = entry.seq;
        }
        if (entries.length > 0) {
          if (!(await deps.cursors.advance(lease, seq))) return;
          advanced = seq;
          continue;
        }
        if (live.pending) await showLive(show);
        const head = await deps.log.head(ref);
        if (head.seq > seq) continue;
        // While a turn is owed it is about to begin: whoever watches already sees its first words.
        const rests = !head.owed && (head.status === 'idle' || head.status === 'terminated');
        if (rests && (await deps.log.delivered(ref, seq))) return;
        if (rests) continue;
        await status.refresh();
        await bell.wait(deps.timings.sweep_ms);
      }
    } finally {
      clearInterval(renewal);
      bell.clear();
      subscribed
        .then((unsubscribe) => unsubscribe?.())
        .catch((err: unknown) => logger.debug({ err, ...ref }, 'session is still watched'));
      slot.poke = () => undefined;
      // What was shown before a failure or a stop need not be shown again.
      if (seq > advanced) await deps.cursors.advance(lease, seq);
    }
  }

  async function sweepNow(): Promise<number> {
    const refs = await deps.log.undelivered(SWEEP_BATCH);
    for (const ref of refs) wake(ref);
    return refs.length;
  }

  return {
    wake,
    sweepNow,
    start() {
      timer ??= setInterval(() => {
        sweepNow().catch((err: unknown) =>
          deps.logger.warn({ err }, 'delivery sweep failed; the next one tries again'),
        );
      }, deps.timings.sweep_ms);
    },
    async stop() {
      if (timer !== null) clearInterval(timer);
      stopping.abort(new Error('The gateway is stopping'));
      const late = setTimeout(() => drained.abort(stopping.signal.reason), deps.timings.drain_ms ?? DRAIN_MS);
      await Promise.allSettled([...running.values()].map((slot) => slot.done));
      clearTimeout(late);
    },
  };
}
