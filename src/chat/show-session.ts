import { LRUCache } from 'lru-cache';
import type { Approvals } from '../approvals/approvals.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { LogEntry } from '../session/event.ts';
import { type Hints, parseSessionHint, SO_FAR_MS, sessionChannel, subscribeClosely } from '../session/hints.ts';
import { holdLease } from '../session/lease.ts';
import type { SessionLog, SessionRef } from '../session/log.ts';
import type { Looks } from '../session/looks.ts';
import { anySignal } from '../signals.ts';
import { ANYBODY, createAudiences } from './audience.ts';
import { tellConcerned } from './concerned.ts';
import type { Connector } from './connector.ts';
import type { CursorLease, CursorStore } from './delivery-cursor.ts';
import type { DeliveryStore } from './delivery-store.ts';
import type { EditTurns } from './edit-turns.ts';
import { createLive } from './live.ts';
import { createMarks } from './marks.ts';
import { createNews } from './news.ts';
import type { Pace } from './pace.ts';
import type { ConversationKey } from './place.ts';
import { createPlans } from './plans.ts';
import { settledAt } from './post.ts';
import type { DescribeCall } from './render-entries.ts';
import type { Roles } from './roles.ts';
import { type ShowDeps, showEntry, showLive } from './session-delivery.ts';
import { createStatusLine } from './status-line.ts';
import { createWaiter } from './waiter.ts';

const SETTLE_MS = 1_500;
/** How often it is stored how far a session is shown: as much is shown again, to no effect, when its gateway dies. */
const ADVANCE_MS = 5_000;
/** Calls of one session that are looked up in memory when something becomes of them. */
const REMEMBERED = 500;

export interface ShowSessionDeps {
  log: SessionLog;
  hints: Hints;
  /** Where a hint was lost, whoever shows the session hears of it from here. */
  looks: Pick<Looks, 'watch'>;
  cursors: CursorStore;
  store: DeliveryStore;
  connectors: ReadonlyMap<string, Connector>;
  approvals: Pick<Approvals, 'findByToolUse' | 'nobodyReached' | 'peek' | 'record'>;
  roles: Pick<Roles, 'adminsOf' | 'roleOf'>;
  describe: DescribeCall;
  pace: Pace;
  edits: EditTurns;
  logger: Logger;
  /** Milliseconds since the epoch; a test's clock. */
  now?: () => number;
  timings: {
    /** How long a silent gateway keeps a session. */
    lease_ms: number;
    sweep_ms: number;
    retry_ms: number;
    /** How long a request may still be on its way to the platform after its gateway lost the session; default 1.5 s. */
    settle_ms?: number;
    /** How often a status that still holds is set again; default a minute. */
    status_ms?: number;
  };
}

/** Where a session is shown. */
export interface Target {
  conversation: ConversationKey;
  agent_name: string;
  /** Commands, arguments, outputs and what leads up to a question are not for the conversation. */
  private_detail?: boolean;
  title: string | null;
  /** Actor id of whoever began it in chat; null: nobody did. */
  started_by: string | null;
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
  /** When the lease was asked for (`performance.now()`). */
  since: number;
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
  const { ref, target, connector, lease, since, slot, stopping, drained } = show;
  using held = holdLease(deps.cursors, lease, deps.timings.lease_ms, { since });
  using ending = anySignal([stopping, held.signal]);
  using cut = anySignal([drained, held.signal]);
  const { signal } = ending;
  const calls = cut.signal;

  const live = createLive();
  const news = createNews(deps.log, ref, lease.seq);
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
  const { posts_before_file: postsBeforeFile } = connector.limits;
  const growsFor = connector.growsFor?.(conversation) ?? null;
  const posting = {
    ...ref,
    ref,
    log: deps.log,
    store: deps.store,
    connector,
    connectors: deps.connectors,
    approvals: deps.approvals,
    roles: deps.roles,
    pace: deps.pace,
    conversation,
    logger,
    retry_ms: deps.timings.retry_ms,
    settled_at: settledAt(lease.lapsed_ms, deps.timings.settle_ms ?? SETTLE_MS),
    signal,
    calls,
    isHeld: held.isHeld,
    // Who lets messages grow for a while only streams them, and to whom.
    audiences: growsFor === null ? ANYBODY : createAudiences({ log: deps.log, ref, conversation }),
    context: {
      agent_name: target.agent_name,
      text_limit: connector.limits.text,
      ...(postsBeforeFile !== undefined && { posts_before_file: postsBeforeFile }),
      ...(growsFor !== null && { grows_for_ms: growsFor }),
      describe: describing(deps.describe, target),
      private_detail: target.private_detail === true,
    },
  };
  const plans = createPlans(posting);
  const marks = createMarks({ ...posting, onQuiet: bell.ring });
  const parts: ShowDeps = {
    ...posting,
    now: deps.now ?? Date.now,
    live,
    status,
    plans,
    reply: { ends: null },
    titles: new LRUCache({ max: REMEMBERED }),
  };
  /** When what is live is shown (`performance.now()`); null: nothing is new. */
  let live_at: number | null = null;
  // Not waited for: without Redis there are no live texts, and the log is looked at now and then.
  const onHint = (message: string) => {
    const hint = parseSessionHint(message);
    if (hint?.type === 'appended') {
      news.hear(hint);
      bell.ring();
    }
    // What is private shows only when it is whole (withheld.ts), and what calls print does not.
    if (hint?.type !== 'preview' || target.private_detail === true) return;
    // Output of a call is shown where calls are.
    if (hint.event.type === 'tool_output' && !connector.shows_activity) return;
    if (!live.accept(hint.event, hint.token)) return;
    const now = performance.now();
    // First words are a post, which platforms count by channel.
    if (live.begins) live_at = Math.min(live_at ?? Number.POSITIVE_INFINITY, now + connector.limits.edit_interval_ms);
    else live_at ??= now + deps.edits.take(conversation, connector.limits);
    bell.ringIn(live_at - now);
  };
  // A text that is edited in place less often than that needs no pieces of it.
  const closely = connector.limits.edit_interval_ms < SO_FAR_MS;
  const subscribed = (
    closely
      ? subscribeClosely(deps.hints, ref.session_id, onHint)
      : deps.hints.subscribe(sessionChannel(ref.session_id), onHint)
  )
    .then((unsubscribe) => {
      // What was appended before this was not heard.
      news.listening();
      bell.ring();
      return unsubscribe;
    })
    .catch((err: unknown) => {
      logger.warn({ reason: messageOf(err), ...ref }, 'session is shown without hints');
      return null;
    });
  const look = () => {
    news.miss();
    bell.ring();
  };
  const unwatch = deps.looks.watch(ref, { seq: () => news.known, behind: look, gone: look });
  let seq = lease.seq;
  let advanced = seq;
  let advanced_at = performance.now();
  /** The end of a run whose status is not shown: nothing after it would put that right. */
  let resting_from: number | null = null;
  /** How far everything is shown: what has yet to be is read again by whoever goes on from here. */
  const shown = () => {
    const rested = status.isOpen ? resting_from : null;
    const unshown = [plans.unshown_from, marks.unshown_from, rested].filter((from) => from !== null);
    return unshown.length === 0 ? seq : Math.max(advanced, Math.min(seq, ...unshown.map((from) => from - 1)));
  };
  /** False: another gateway shows the session. */
  const advance = async (): Promise<boolean> => {
    const far = shown();
    if (far === advanced) return true;
    if (!(await deps.cursors.advance(lease, far))) return false;
    advanced = far;
    advanced_at = performance.now();
    return true;
  };
  try {
    for (;;) {
      signal.throwIfAborted();
      slot.again = false;
      // A text takes the place of one that broke off before it, but not of one that is whole by now.
      const begins = live.begins;
      const entries = await news.next(begins);
      // What was going on while nobody looked need not be shown as if it were now.
      await status.hold(news.hasMore);
      marks.take(entries);
      for (const entry of entries) {
        signal.throwIfAborted();
        if (isRest(entry)) resting_from = entry.seq;
        if (entry.event.type === 'session.status_running') resting_from = null;
        tellConcerned({ ...posting, started_by: target.started_by }, entry);
        await showEntry(parts, entry);
        seq = entry.seq;
      }
      await plans.show('due');
      if (entries.length > 0) {
        if (performance.now() - advanced_at >= ADVANCE_MS && !(await advance())) return;
        continue;
      }
      if (live_at === null || performance.now() >= live_at) {
        live_at = null;
        if (live.pending && live.begins === begins) await showLive(parts);
      }
      if (!news.isRunning) {
        const head = await deps.log.head(ref);
        if (head.seq > seq) {
          news.miss();
          continue;
        }
        // While a turn is owed it is about to begin: whoever watches already sees its first words.
        const rests = !head.owed && (head.status === 'idle' || head.status === 'terminated');
        if (rests && target.ended) await status.set({ state: 'ended' });
        if (rests) await status.settle();
        if (rests && marks.unshown_from === null) {
          if (!(await advance())) return;
          if (await deps.log.delivered(ref, seq)) return;
          continue;
        }
      }
      await status.refresh();
      const live_in_ms = live_at === null ? Number.POSITIVE_INFINITY : Math.max(0, live_at - performance.now());
      const due_in_ms = Math.min(plans.due_in_ms ?? Number.POSITIVE_INFINITY, live_in_ms);
      if (due_in_ms < Number.POSITIVE_INFINITY) bell.ringIn(due_in_ms);
      await bell.wait(deps.timings.sweep_ms);
    }
  } finally {
    bell.clear();
    unwatch();
    subscribed
      .then((unsubscribe) => unsubscribe?.())
      .catch((err: unknown) => logger.debug({ err, ...ref }, 'session is still watched'));
    slot.poke = () => undefined;
    // What was shown before a failure or a stop need not be shown again.
    await advance();
  }
}

function isRest({ event }: LogEntry): boolean {
  return event.type === 'session.status_idle' || event.type === 'session.status_terminated';
}

/** Calls in words, without their arguments where those are private. */
function describing(describe: DescribeCall, { private_detail }: Target): DescribeCall {
  return private_detail === true ? (name, input) => ({ ...describe(name, input), detail: '' }) : describe;
}
