import { setTimeout as delay } from 'node:timers/promises';
import { LRUCache } from 'lru-cache';
import type { Db, ObjectId } from 'mongodb';
import { DeckhandError, messageOf } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { type ApplyDeps, applyInbound, originOf, problemOf, withNames } from './apply-inbound.ts';
import { createApplyRoom } from './apply-room.ts';
import { RateLimitedError } from './connector.ts';
import { createConversationStore } from './conversation-store.ts';
import type { Position } from './earlier.ts';
import { IGNORED, type InboundMessage, type Kept, type Receipt, type Receiver } from './inbound.ts';
import type { Inbound } from './inbound-keys.ts';
import { createInboundStore, type KeptInbound } from './inbound-store.ts';
import { createLines } from './lines.ts';
import { detailsOf, waitingFor } from './look-at-approvals.ts';
import { meant } from './meant.ts';
import { overviewOf } from './overview.ts';
import { wasGiven } from './receive-change.ts';
import { createRoom } from './room.ts';
import { sessionFile } from './session-file.ts';

/**
 * Events in flight, from their arrival until they are applied, in bytes: 15,000 ordinary ones, which is more than a minute of
 * 200 a second when nothing at all is applied meanwhile, and 300 of the longest.
 */
const IN_FLIGHT = 64 * 1024 * 1024;
/** And waiting to be kept, a thousand; what comes then is refused. A platform waits about three seconds for its acknowledgement. */
const WAITING = 4 * 1024 * 1024;
/** What an event takes besides its text: the promises that wait for it, its names, its keys. */
const EVENT_BYTES = 4 * 1024;
/** Attached files fetched at once, with a few MB of each in memory. */
const FETCHED_AT_ONCE = 8;
/** How often one is tried before its conversation goes on without it; then it is the sweep's. */
const TRIES = 3;
/** What a platform asks for at most, before one is tried again: its conversation waits for it. */
const LONGEST_WAIT_MS = 5_000;
/** Events of dead processes finished per sweep. */
const BATCH = 200;
const WHISPER_MS = 5_000;
/** Where a log stood a minute ago is worth remembering: what it has grown since is soon read. */
const POSITIONS = { max: 10_000, ttl: 60_000 };

const DOUBLE: Receipt = { effect: 'duplicate', text: null };

export interface ReceiverDeps
  extends Omit<ApplyDeps, 'inbound' | 'conversations' | 'positions' | 'outside' | 'is_last_try' | 'fetching'> {
  db: Db;
  logger: Logger;
  /** How long a silent process keeps an event. One that is only slow comes to no harm. */
  lost_after_ms: number;
  /** First wait after an event could not be applied; doubled after each. */
  retry_ms: number;
  /** Bytes of events that are in flight, and that wait to be kept. */
  room?: { in_flight: number; waiting: number };
}

export interface ReceiverService extends Receiver, AsyncDisposable {
  /** Finish, every `interval_ms`, what processes that died left undone, and keep what is this one's from others. */
  startSweep(interval_ms: number): void;
  sweepNow(): Promise<number>;
}

/**
 * The way in for every connector. An event is kept by its id, which is all that the platform waits for, and applied
 * afterwards: idempotently, then marked as applied. So each has one effect, however often it is redelivered, doubled or
 * raced, and whatever dies in between.
 *
 * Order: what one gateway hears in one conversation is applied in the order in which it came. Between gateways there is
 * none, as there is none between two deliveries of the platform's; and what a gateway left behind when it died comes when
 * the sweep finds it, so it may stand behind what another gateway heard meanwhile.
 *
 * Every problem of the person's is a sentence in the receipt. What cannot be kept throws, so that the platform delivers
 * again; what cannot be applied is tried again here, then by the sweeps of all gateways until it is.
 */
export function createReceiver(options: ReceiverDeps): ReceiverService {
  const { logger, lost_after_ms, retry_ms } = options;
  const inbound = createInboundStore(options.db, lost_after_ms);
  const deps = {
    ...options,
    inbound,
    conversations: createConversationStore(options.db),
    positions: new LRUCache<string, Position>(POSITIONS),
    fetching: createRoom('files to fetch', FETCHED_AT_ONCE),
  };
  const { in_flight, waiting } = options.room ?? { in_flight: IN_FLIGHT, waiting: WAITING };
  const inFlight = createRoom('chat events', in_flight, waiting);
  const applying = createApplyRoom();
  const lines = createLines();
  const stopping = new AbortController();
  /** Kept, and this process's to apply. */
  const held = new Map<string, ObjectId>();
  let sweeping: Promise<number> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let renewing: NodeJS.Timeout | undefined;

  function renew(): void {
    if (held.size === 0) return;
    inbound.renew([...held.values()]).catch((err: unknown) => logger.debug({ err }, 'chat events not renewed'));
  }

  function hold<T extends KeptInbound | null>(kept: T): T {
    if (kept !== null) held.set(kept.id.toHexString(), kept.id);
    return kept;
  }

  async function apply(kept: KeptInbound, is_last_try: boolean): Promise<Receipt> {
    const named = await withNames(deps, kept.inbound);
    let leave = await applying.enter();
    async function outside<T>(work: () => Promise<T>): Promise<T> {
      leave();
      try {
        return await work();
      } finally {
        leave = await applying.enter();
      }
    }
    try {
      return await applyInbound({ ...deps, outside, is_last_try }, kept, named);
    } finally {
      leave();
    }
  }

  /** @throws what the last try threw; by then it is anybody's */
  async function applyHeld(kept: KeptInbound, tries: number): Promise<Receipt> {
    try {
      let current: KeptInbound | null = kept;
      for (let attempt = 1; current !== null; attempt++) {
        try {
          return await apply(current, attempt === tries);
        } catch (err) {
          if (attempt === tries || stopping.signal.aborted) throw err;
          logger.warn({ err, kind: kept.inbound.kind, attempt }, 'chat event not applied, trying again');
          await delay(waitAfter(err, retry_ms * 2 ** (attempt - 1)), undefined, { signal: stopping.signal }).catch(
            () => {
              throw err;
            },
          );
        }
        current = await inbound.reread(kept);
      }
      return DOUBLE;
    } finally {
      held.delete(kept.id.toHexString());
    }
  }

  /** @param isWanted whether it is kept at all, where that has to be looked up; asked when all before it are in line */
  async function receive(event: Inbound, isWanted: () => Promise<boolean> = async () => true): Promise<Kept> {
    const leave = await inFlight.enter(weightOf(event));
    const came = performance.now();
    const keeping = keepIf(isWanted(), event);
    keeping
      .then((kept) => (kept === 'unwanted' ? undefined : applying.kept(performance.now() - came)))
      .catch(() => undefined);
    // Its place in the line is that of its arrival, also when a later one is kept before it.
    const receipt = lines.join(lineOf(event), async () => {
      const kept = await keeping;
      if (kept === 'unwanted') return IGNORED;
      if (kept === null) return DOUBLE;
      if (stopping.signal.aborted) return leaveToOthers(kept);
      try {
        return await applyHeld(kept, TRIES);
      } catch (error) {
        logger.error({ err: error, kind: event.kind }, 'chat event not applied; it is tried again later');
        await inbound.release(kept).catch((err: unknown) => logger.debug({ err }, 'chat event not released'));
        throw error;
      }
    });
    // A failure is in the log and the sweep's; who waits for the receipt hears of it as well.
    receipt.catch(() => undefined).finally(leave);
    await keeping;
    return { receipt };
  }

  async function keepIf(wanted: Promise<boolean>, event: Inbound): Promise<KeptInbound | 'unwanted' | null> {
    return (await wanted) ? hold(await inbound.keep(event)) : 'unwanted';
  }

  async function isPerhapsMeant(message: InboundMessage): Promise<boolean> {
    return (await meant(deps, message)) !== 'no';
  }

  /** What has not begun when this process stops is somebody else's, or its own when it is back. */
  async function leaveToOthers(kept: KeptInbound): Promise<never> {
    held.delete(kept.id.toHexString());
    await inbound.release(kept).catch((err: unknown) => logger.debug({ err }, 'chat event not released'));
    throw new DeckhandError('stopping', 'This process stops.', { remedy: 'The event is applied by another one.' });
  }

  /** False when nothing was lost. */
  async function finishLost(begun: Promise<unknown>[]): Promise<boolean> {
    const leave = await inFlight.enter(EVENT_BYTES);
    const lost = await inbound
      .takeLost()
      .then(hold)
      .catch((error: unknown) => {
        leave();
        throw error;
      });
    if (lost === null) {
      leave();
      return false;
    }
    const finished = lines
      .join(lineOf(lost.inbound), async () => {
        // Where this process was away for so long that its own event counted as lost, that came first in the line.
        const current = await inbound.reread(lost);
        return current === null ? DOUBLE : applyHeld(current, 1);
      })
      .then((receipt) => tell(lost.inbound, receipt))
      .catch((err: unknown) => {
        logger.error({ err, kind: lost.inbound.kind }, 'chat event not applied; it is tried again later');
      })
      .finally(() => {
        held.delete(lost.id.toHexString());
        leave();
      });
    begun.push(finished);
    return true;
  }

  async function sweep(): Promise<number> {
    const begun: Promise<unknown>[] = [];
    try {
      while (begun.length < BATCH && !stopping.signal.aborted && (await finishLost(begun)));
    } finally {
      await Promise.all(begun);
    }
    if (begun.length > 0) logger.info({ count: begun.length }, 'sweep found chat events that were not applied');
    return begun.length;
  }

  /** Their connector may have been told that it was kept, and nothing since. */
  async function tell(event: Inbound, { text }: Receipt): Promise<void> {
    if (text === null) return;
    const { conversation, person } = originOf(event);
    const connector = deps.connectors.get(conversation.connector);
    try {
      await connector?.whisper(conversation, person, text, AbortSignal.timeout(WHISPER_MS));
    } catch (error) {
      logger.warn({ reason: messageOf(error), connector: conversation.connector }, 'feedback failed');
    }
  }

  function sweepNow(): Promise<number> {
    sweeping ??= sweep().finally(() => {
      sweeping = null;
    });
    return sweeping;
  }

  return {
    async message(message) {
      const problem = problemOf(message);
      if (problem !== null) return done(message.addressed ? { effect: 'refused', text: problem } : IGNORED);
      const event: Inbound = { kind: 'message', message };
      // Nothing is kept of what has no effect: the mention of the same message may still arrive as its own event.
      return message.addressed ? receive(event) : receive(event, () => isPerhapsMeant(message));
    },
    async change({ message, ...change }) {
      const event: Inbound = { kind: 'change', change };
      const given = wasGiven(deps, change);
      // To an agent that was not given it, it is a message; to one that is given it meanwhile, a change of it.
      const news = given.then((is_given) => !is_given && message !== undefined && problemOf(message) === null);
      // Where there is no room for either, nobody waits for it.
      news.catch(() => undefined);
      // Before this one joins it: what stands in the line may be the message.
      const is_on_its_way = lines.has(lineOf(event));
      // What people say to each other may be changed as they like: nothing is kept of it.
      const isFollowed = async () => {
        return (await given) || (await news) || is_on_its_way || (await inbound.isWaiting(change));
      };
      const [said, changed] = await Promise.all([
        message === undefined ? done(IGNORED) : receive({ kind: 'message', message }, () => news),
        receive(event, isFollowed),
      ]);
      return (await news) ? said : changed;
    },
    decision: (decision) => receive({ kind: 'decision', decision }),
    stop: (stop) => receive({ kind: 'stop', stop }),
    details: (from) => detailsOf(deps, from),
    waiting: (from) => waitingFor(deps, from),
    file: (from) => sessionFile(deps, from),
    feedback: (feedback) => receive({ kind: 'feedback', feedback }),
    command: (command) => receive({ kind: 'command', command }),
    overview: (place, person) => overviewOf(deps, place, person),

    startSweep(interval_ms) {
      timer ??= setInterval(() => {
        sweepNow().catch((err: unknown) => logger.warn({ err }, 'inbound sweep failed; the next one tries again'));
      }, interval_ms);
      renewing ??= setInterval(renew, lost_after_ms / 3);
    },
    sweepNow,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      stopping.abort();
      await sweeping?.catch(() => undefined);
      await lines.empty();
      clearInterval(renewing);
    },
  };
}

function done(receipt: Receipt): Kept {
  return { receipt: Promise.resolve(receipt) };
}

function waitAfter(error: unknown, retry_ms: number): number {
  return error instanceof RateLimitedError ? Math.min(error.retry_after_ms, LONGEST_WAIT_MS) : retry_ms;
}

/** What it takes of this process's memory, in bytes. */
function weightOf(event: Inbound): number {
  const text = event.kind === 'message' ? event.message.text : event.kind === 'change' ? event.change.text : null;
  return EVENT_BYTES + 2 * (text?.length ?? 0);
}

/**
 * One per conversation; Stop and decisions have one of their own, because they are about what runs, and wait for no message
 * whose files are still being fetched. Not by tenant: a click may name another one than the message that it is about.
 */
function lineOf(event: Inbound): string {
  const { connector, channel, thread } = originOf(event).conversation;
  const isClick = event.kind === 'stop' || event.kind === 'decision';
  return JSON.stringify([connector, channel, thread, isClick]);
}
