import { LRUCache } from 'lru-cache';
import type { Db } from 'mongodb';
import { type Applier, type ApplierDeps, createApplier, type Keeping } from './applier.ts';
import { problemOf } from './apply-inbound.ts';
import { createApplyRoom } from './apply-room.ts';
import { createConversationStore } from './conversation-store.ts';
import type { Position } from './earlier.ts';
import { createEventRoom } from './event-room.ts';
import { createFetchRoom } from './fetch-room.ts';
import { IGNORED, type InboundMessage, type Kept, type Receipt, type Receiver } from './inbound.ts';
import type { Inbound } from './inbound-keys.ts';
import { createInboundStore } from './inbound-store.ts';
import { detailsOf, waitingFor } from './look-at-approvals.ts';
import { meant } from './meant.ts';
import { overviewOf } from './overview.ts';
import { wasGiven } from './receive-change.ts';
import { sessionFile } from './session-file.ts';

/** Where a log stood a minute ago is worth remembering: what it has grown since is soon read. */
const POSITIONS = { max: 10_000, ttl: 60_000 };

export interface ReceiverDeps
  extends Omit<ApplierDeps, 'inbound' | 'conversations' | 'positions' | 'fetching' | 'inFlight' | 'applying'> {
  db: Db;
  /** Bytes of events that are in flight, and that wait to be kept. */
  room?: { in_flight: number; waiting: number };
}

export interface ReceiverService extends Receiver, AsyncDisposable, Pick<Applier, 'startSweep' | 'sweepNow'> {}

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
 * again; what cannot be applied is tried again here, then by the sweeps of all gateways until it is. What waits for its
 * platform for longer than a few seconds is put off in the store: its conversation goes on, and the first gateway that
 * looks when the wait is over takes it up.
 */
export function createReceiver(options: ReceiverDeps): ReceiverService {
  const inbound = createInboundStore(options.db, options.lost_after_ms);
  const inFlight = createEventRoom(options.room);
  const applying = createApplyRoom();
  const deps = {
    ...options,
    inbound,
    conversations: createConversationStore(options.db),
    positions: new LRUCache<string, Position>(POSITIONS),
    fetching: createFetchRoom(),
  };
  const applier = createApplier({ ...deps, inFlight, applying });

  /** @param isWanted whether it is kept at all, where that has to be looked up; asked when all before it are in line */
  async function receive(event: Inbound, isWanted: () => Promise<boolean> = async () => true): Promise<Kept> {
    const leave = await inFlight.enter(event);
    const keeping = keepIf(isWanted(), event);
    const receipt = applier.apply(event, keeping);
    // A failure is in the log and the sweep's; who waits for the receipt hears of it as well.
    receipt.catch(() => undefined).finally(leave);
    await keeping;
    return { receipt };
  }

  async function keepIf(wanted: Promise<boolean>, event: Inbound): Promise<Keeping> {
    if (!(await wanted)) return 'unwanted';
    const began = performance.now();
    const kept = await inbound.keep(event);
    applying.kept(performance.now() - began);
    return kept;
  }

  async function isPerhapsMeant(message: InboundMessage): Promise<boolean> {
    return (await meant(deps, message)) !== 'no';
  }

  return {
    async message(message) {
      const problem = problemOf(message);
      if (problem !== null) return done(message.addressed ? { effect: 'refused', text: problem } : IGNORED);
      const event: Inbound = { kind: 'message', message };
      // Nothing is kept of what has no effect: the mention of the same message may still arrive as its own event.
      return message.addressed ? receive(event) : receive(event, () => isPerhapsMeant(message));
    },
    async change(change) {
      const event: Inbound = { kind: 'change', change };
      // What people say to each other may be changed as they like: nothing is kept of it.
      return receive(event, async () => {
        // All that came before stands in the line by now, and this one not yet: the message may be among them.
        if (applier.isBefore(event) || change.message !== undefined) return true;
        return (await wasGiven(deps, change)) || (await inbound.waitOf(change)) !== null;
      });
    },
    decision: (decision) => receive({ kind: 'decision', decision }),
    stop: (stop) => receive({ kind: 'stop', stop }),
    details: (from) => detailsOf(deps, from),
    waiting: ({ before, ...from }) => waitingFor(deps, from, before),
    file: (from) => sessionFile(deps, from),
    feedback: (feedback) => receive({ kind: 'feedback', feedback }),
    command: (command) => receive({ kind: 'command', command }),
    overview: (place, person) => overviewOf(deps, place, person),
    startSweep: applier.startSweep,
    sweepNow: applier.sweepNow,
    [Symbol.asyncDispose]: () => applier[Symbol.asyncDispose](),
  };
}

function done(receipt: Receipt): Kept {
  return { receipt: Promise.resolve(receipt) };
}
