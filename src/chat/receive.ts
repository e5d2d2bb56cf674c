import type { Db } from 'mongodb';
import type { Approvals } from '../approvals/approvals.ts';
import type { Logger } from '../logger.ts';
import type { LaneSession, SessionLog } from '../session/log.ts';
import type { InboundMessage, Receipt, Receiver } from './connector.ts';
import { createConversationStore } from './conversation-store.ts';
import { type ClaimedInbound, createInboundStore, type Inbound } from './inbound-store.ts';
import { receiveDecision } from './receive-decision.ts';
import { receiveMessage } from './receive-message.ts';
import { receiveStop } from './receive-stop.ts';
import type { SessionDirectory } from './session-directory.ts';

/** Longest message, in characters. */
const MAX_TEXT = 100_000;
/** Events of dead processes finished per sweep. */
const BATCH = 200;

export interface ReceiverDeps {
  db: Db;
  log: SessionLog;
  approvals: Pick<Approvals, 'find' | 'decide'>;
  directory: SessionDirectory;
  /** Something was put into this session's log: delivery may want to watch it. */
  received(session: LaneSession): void;
  logger: Logger;
  /** How long an event may take before its process counts as dead. One that is only slow comes to no harm. */
  lost_after_ms: number;
  /** Milliseconds since the epoch. */
  now: () => number;
}

export interface ReceiverService extends Receiver, AsyncDisposable {
  /** Finish, every `interval_ms`, what processes that died left undone. */
  startSweep(interval_ms: number): void;
  sweepNow(): Promise<number>;
}

/**
 * The way in for every connector. Each event has one effect, however often it is redelivered, doubled or raced, and
 * whatever dies in between: it is claimed by its id, applied idempotently, then marked as applied.
 *
 * Every problem of the person's is a sentence in the receipt; broken infrastructure throws, so that the platform
 * delivers again.
 */
export function createReceiver(options: ReceiverDeps): ReceiverService {
  const inbound = createInboundStore(options.db, options.lost_after_ms);
  const deps = { ...options, inbound, conversations: createConversationStore(options.db) };
  let timer: NodeJS.Timeout | undefined;
  let sweeping: Promise<number> | null = null;

  function apply(claimed: ClaimedInbound): Promise<Receipt> {
    switch (claimed.inbound.kind) {
      case 'message':
        return receiveMessage(deps, claimed, claimed.inbound.message);
      case 'decision':
        return receiveDecision(deps, claimed.inbound.decision);
      case 'stop':
        return receiveStop(deps, claimed, claimed.inbound.stop);
      default:
        return claimed.inbound satisfies never;
    }
  }

  async function once(event: Inbound): Promise<Receipt> {
    const claimed = await inbound.claim(event, deps.now());
    if (claimed === null) return { effect: 'duplicate', text: null };
    const receipt = await apply(claimed);
    await inbound.applied(claimed, deps.now());
    return receipt;
  }

  async function sweep(): Promise<number> {
    let count = 0;
    for (; count < BATCH; count++) {
      const lost = await inbound.claimLost(deps.now());
      if (lost === null) break;
      try {
        await apply(lost);
        await inbound.applied(lost, deps.now());
      } catch (err) {
        deps.logger.error({ err, kind: lost.inbound.kind }, 'chat event not applied; it is tried again later');
      }
    }
    if (count > 0) deps.logger.info({ count }, 'sweep found chat events that were not applied');
    return count;
  }

  function sweepNow(): Promise<number> {
    sweeping ??= sweep().finally(() => {
      sweeping = null;
    });
    return sweeping;
  }

  return {
    async message(message) {
      // Nothing is kept of what has no effect: the mention of the same message may still arrive as its own event.
      if (!message.addressed) return { effect: 'ignored', text: null };
      const problem = problemOf(message);
      if (problem !== null) return { effect: 'refused', text: problem };
      return once({ kind: 'message', message });
    },
    decision: (decision) => once({ kind: 'decision', decision }),
    stop: (stop) => once({ kind: 'stop', stop }),

    startSweep(interval_ms) {
      timer ??= setInterval(() => {
        sweepNow().catch((err: unknown) => deps.logger.warn({ err }, 'inbound sweep failed; the next one tries again'));
      }, interval_ms);
    },
    sweepNow,
    async [Symbol.asyncDispose]() {
      clearInterval(timer);
      await sweeping?.catch(() => undefined);
    },
  };
}

function problemOf(message: InboundMessage): string | null {
  if (message.text.trim() === '') return 'Tell me what you would like done, in the same message.';
  if (message.text.length > MAX_TEXT) {
    return (
      `That message has ${message.text.length.toLocaleString('en')} characters; ` +
      `at most ${MAX_TEXT.toLocaleString('en')} fit. Shorten it, or send it in parts.`
    );
  }
  return null;
}
