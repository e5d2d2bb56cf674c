import { LIMITED_CHANNEL, type LimitedHint, parseLimitedHint } from '../session/hints.ts';
import type { LaneSession, SessionRef } from '../session/log.ts';
import { createLooks } from '../session/looks.ts';
import type { Connector } from './connector.ts';
import { createConnectorHealth } from './connector-health.ts';
import { createEditTurns } from './edit-turns.ts';
import { createPace, type PaceDeps } from './pace.ts';
import { PlatformFailedError } from './post.ts';
import { createPutOff } from './put-off.ts';
import { type Showing, type ShowSessionDeps, showSession, type Target } from './show-session.ts';

export interface DelivererDeps extends Omit<ShowSessionDeps, 'timings' | 'pace' | 'edits' | 'looks'> {
  /** Where a session is shown; null for one that lives in no conversation. */
  findTarget(ref: SessionRef): Promise<Target | null>;
  /** This gateway's name in leases. */
  holder: string;
  /** Milliseconds since the epoch; a test's clock. */
  now?: () => number;
  /** Sessions shown side by side, in all and of one lane; `MOST_SHOWN` by default. */
  most_shown?: { all: number; of_lane: number };
  /** A test's waiting for a platform that was called too often. */
  sleep?: PaceDeps['sleep'];
  timings: ShowSessionDeps['timings'] & {
    /** How long a call to a platform may still take when the gateway stops; default 2 s. */
    drain_ms?: number;
  };
}

/**
 * Shows sessions in their conversations: chat is a view of the log. Any number of gateways may run one; each session is
 * shown by one of them at a time, and another goes on from the cursor when it is lost.
 */
export interface Deliverer {
  start(): void;
  /** The session's log has grown. Cheap, and safe to call for any session. */
  wake(session: LaneSession): void;
  /** Connectors that fail or are missing: name and what is wrong. */
  troubles(): Record<string, string>;
  sweepNow(): Promise<number>;
  /** Begin nothing new, finish what is being posted, and give the sessions to another gateway or the next start. */
  stop(): Promise<void>;
}

interface Slot extends Showing {
  done: Promise<void>;
}

const SWEEP_BATCH = 500;
/** Sessions shown side by side, in all and of one lane. The others stand in the log as not shown, and the sweep comes back. */
const MOST_SHOWN = { all: 5_000, of_lane: 2_000 };
const DRAIN_MS = 2_000;
/** How often logs are looked at although no hint came, in sweeps: a lost hint costs at most this. */
const LOOK_SWEEPS = 2;
/** How long a session waits for a connector that is not configured; a restart with it finds it at once. */
const MISSING_MS = 300_000;

export function createDeliverer(deps: DelivererDeps): Deliverer {
  const { most_shown = MOST_SHOWN } = deps;
  const stopping = new AbortController();
  /** The time for what was under way when the gateway stopped is over. */
  const drained = new AbortController();
  /** Sessions this gateway is showing: a wake sets `again`. */
  const running = new Map<string, Slot>();
  /** How many of them each lane has. */
  const ofLane = new Map<string, number>();
  const putOff = createPutOff(deps.now ?? Date.now);
  const pace = createPace({
    now: deps.now ?? Date.now,
    ...(deps.sleep === undefined ? {} : { sleep: deps.sleep }),
    onLimited(place, wait_ms) {
      deps.logger.info({ place, wait_ms }, 'the platform asks to wait');
      const hint: LimitedHint = { place, wait_ms, told_by: deps.holder };
      // One that does not hear of it is told by the platform.
      deps.hints.publish(LIMITED_CHANNEL, JSON.stringify(hint)).catch(() => undefined);
    },
  });
  const looks = createLooks(deps.log, deps.logger, LOOK_SWEEPS * deps.timings.sweep_ms);
  const edits = createEditTurns(() => performance.now());
  const health = createConnectorHealth(deps.logger, putOff.release);
  const connectors = new Map([...deps.connectors].map(([name, connector]) => [name, health.watch(connector)]));
  let timer: NodeJS.Timeout | null = null;
  let unsubscribe: Promise<() => Promise<void>> | null = null;
  let swept: string | null = null;

  function wake(session: LaneSession): void {
    if (stopping.signal.aborted) return;
    const { lane, ...ref } = session;
    const known = running.get(ref.session_id);
    if (known !== undefined) {
      known.again = true;
      known.poke();
      return;
    }
    const inLane = ofLane.get(lane) ?? 0;
    if (running.size >= most_shown.all || inLane >= most_shown.of_lane || !putOff.isDue(ref.session_id)) return;
    const slot: Slot = { again: false, poke: () => undefined, done: Promise.resolve() };
    running.set(ref.session_id, slot);
    ofLane.set(lane, inLane + 1);
    slot.done = runShow(ref, slot)
      .catch((err: unknown) => {
        if (!stopping.signal.aborted) deps.logger.warn({ err, ...ref }, 'delivery stopped; the sweep tries again');
        slot.again = false;
      })
      .finally(() => {
        running.delete(ref.session_id);
        const left = (ofLane.get(lane) ?? 0) - 1;
        if (left > 0) ofLane.set(lane, left);
        else ofLane.delete(lane);
        if (slot.again) wake(session);
      });
  }

  /** Show it, or put it off when its platform fails: it makes room, and whatever is not shown still stands in the log. */
  async function runShow(ref: SessionRef, slot: Slot): Promise<void> {
    slot.again = false;
    const target = await deps.findTarget(ref);
    if (target === null) {
      await deps.log.delivered(ref, (await deps.log.head(ref)).seq);
      return;
    }
    const { connector: name } = target.conversation;
    const connector = connectors.get(name);
    if (connector === undefined) {
      health.missing(name);
      putOff.add(ref.session_id, name, MISSING_MS);
      return;
    }
    try {
      await showLeased(ref, target, connector, slot);
      putOff.forget(ref.session_id);
    } catch (error) {
      if (!(error instanceof PlatformFailedError)) throw error;
      const wait_ms = putOff.add(ref.session_id, name, error.retry_after_ms);
      deps.logger.warn({ ...ref, connector: name, wait_ms, reason: error.message }, 'delivery put off');
    }
  }

  async function showLeased(ref: SessionRef, target: Target, connector: Connector, slot: Slot): Promise<void> {
    const since = performance.now();
    const lease = await deps.cursors.acquire(ref.session_id, ref.workspace_id, deps.holder, deps.timings.lease_ms);
    if (lease === null) return;
    try {
      await showSession(
        { ...deps, pace, edits, looks, connectors },
        {
          ref,
          target,
          connector,
          lease,
          since,
          slot,
          stopping: stopping.signal,
          drained: drained.signal,
        },
      );
    } finally {
      await deps.cursors.release(lease);
    }
  }

  async function sweepNow(): Promise<number> {
    const sessions = await deps.log.undelivered(SWEEP_BATCH, swept);
    // Each round goes on where the last one ended: however many cannot be shown, each of the others comes up.
    swept = sessions.length < SWEEP_BATCH ? null : (sessions.at(-1)?.session_id ?? null);
    for (const session of sessions) wake(session);
    return sessions.length;
  }

  return {
    wake,
    troubles: health.report,
    sweepNow,
    start() {
      timer ??= setInterval(() => {
        sweepNow().catch((err: unknown) =>
          deps.logger.warn({ err }, 'delivery sweep failed; the next one tries again'),
        );
      }, deps.timings.sweep_ms);
      unsubscribe ??= deps.hints.subscribe(LIMITED_CHANNEL, (message) => {
        const hint = parseLimitedHint(message);
        if (hint !== null && hint.told_by !== deps.holder) pace.hear(hint.place, hint.wait_ms);
      });
      unsubscribe.catch((err: unknown) =>
        deps.logger.warn({ err }, 'other gateways are not heard when they must wait'),
      );
    },
    async stop() {
      if (timer !== null) clearInterval(timer);
      looks[Symbol.dispose]();
      unsubscribe?.then((end) => end()).catch(() => undefined);
      stopping.abort(new Error('The gateway is stopping'));
      const late = setTimeout(() => drained.abort(stopping.signal.reason), deps.timings.drain_ms ?? DRAIN_MS);
      await Promise.allSettled([...running.values()].map((slot) => slot.done));
      clearTimeout(late);
    },
  };
}
